// Where labels go. A sink takes one rendered label and says whether it was taken; that a label came
// out is shown by the scan, never by a sink.
#pragma once

#include <string>

#include "station/words/secret.hpp"

namespace mintmark {

struct LabelJob {
  LabelJob() = default;
  LabelJob(std::string serial_, std::string place_, int attempt_)
      : serial(std::move(serial_)), place(std::move(place_)), attempt(attempt_) {}
  std::string serial;
  std::string place;  // a word of the product: "device", "box"
  int attempt = 0;    // from 1, counted per serial and place for ever
};

// `code` is empty when a label can be taken now, else "label.no_stock" (a person must refill) or
// "label.sink" with a `reason` for the sentence.
struct Readiness {
  Readiness() = default;
  Readiness(std::string code_, std::string reason_)
      : code(std::move(code_)), reason(std::move(reason_)) {}
  std::string code;
  std::string reason;
  bool ok() const { return code.empty(); }
};

class LabelSink {
 public:
  LabelSink() = default;
  virtual ~LabelSink() = default;
  LabelSink(const LabelSink&) = delete;
  LabelSink& operator=(const LabelSink&) = delete;

  // Asks, never prints. Silence of a printer is "not ready".
  virtual Readiness ready() = 0;

  // Hands over one label. The attempt is in the ledger before this is called. Throws
  // Fault("label.sink", {"reason"}) when it was not, or may not have been, taken.
  virtual void print(const LabelJob& job, const Secret& zpl) = 0;
};

// Writes labels as files: the one place where a password may lie on a disk, and only where the
// configuration says so. `<serial>.zpl` is the newest attempt for place "device"; other places are
// `<serial>.<place>.<attempt>.zpl`. Mode 0600, replaced atomically, synced before print() returns.
class SpoolSink : public LabelSink {
 public:
  // Creates `directory` (0700) if its parent exists. Throws Fault("label.sink", {"reason"}) unless
  // `allow_plaintext_spool` is true.
  SpoolSink(std::string directory, bool allow_plaintext_spool);
  Readiness ready() override;
  void print(const LabelJob& job, const Secret& zpl) override;
  std::string path_of(const LabelJob& job) const;

 private:
  std::string directory_;
};

}  // namespace mintmark
