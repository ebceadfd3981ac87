// The one exception type. A code is a word of the language tables (station/page/lang), its
// arguments fill that sentence; the cause is for the log and holds no secret.
#pragma once

#include <exception>
#include <map>
#include <optional>
#include <string>
#include <string_view>

namespace mintmark {

class Fault : public std::exception {
 public:
  using Args = std::map<std::string, std::string>;

  explicit Fault(std::string_view code, Args args = {}, std::string cause = {});

  const std::string& code() const { return code_; }
  const Args& args() const { return args_; }
  const std::string& cause() const { return cause_; }
  const char* what() const noexcept override { return what_.c_str(); }

 private:
  std::string code_;
  Args args_;
  std::string cause_;
  std::string what_;  // "code key=value ...: cause"
};

// FORMATS, "Endings".
enum class Ending { passed, retry, rework, quarantine, abandoned };

std::string_view word(Ending ending);
std::optional<Ending> ending_from(std::string_view word);

// FORMATS, "which fault ends how". A code that the table does not know is quarantine: a fault that
// nobody thought of is no reason to let a unit go on.
Ending ending_of(std::string_view code);

// True for faults that accuse the firmware rather than the unit: the whole lot pauses.
bool pauses_lot(std::string_view code);

// True for faults of the station, not of the unit (token away, disk full, random generator broken):
// the run stays open and the unit is met again when the station is well.
bool is_stations_own(std::string_view code);

// True for those of them that say of a disk that nothing can be written: what failed may be tried
// again, until it can.
bool is_of_the_disk(std::string_view code);

}  // namespace mintmark
