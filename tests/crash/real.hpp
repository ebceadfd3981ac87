// The C library's own functions, behind those of preload.cpp that stand before them.
#pragma once

#include <sys/types.h>
#include <sys/uio.h>

namespace mintmark::crash {

struct Real {
  int (*open)(const char*, int, ...);
  int (*openat)(int, const char*, int, ...);
  ssize_t (*read)(int, void*, size_t);
  ssize_t (*pread)(int, void*, size_t, off_t);
  ssize_t (*write)(int, const void*, size_t);
  ssize_t (*writev)(int, const iovec*, int);
  ssize_t (*pwrite)(int, const void*, size_t, off_t);
  int (*fsync)(int);
  int (*fdatasync)(int);
  int (*ftruncate)(int, off_t);
  int (*rename)(const char*, const char*);
  int (*renameat)(int, const char*, int, const char*);
  int (*unlink)(const char*);
  int (*unlinkat)(int, const char*, int);
};

const Real& real();

}  // namespace mintmark::crash
