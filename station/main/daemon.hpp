// The daemon: one thread for all state, a pool for the token, and the order in which they start
// and stop.
#pragma once

#include "station/main/config.hpp"

namespace mintmark {

// Serves until SIGTERM or SIGINT. Faults say why it does not start.
void serve(const Config& config);

// systemd's notification protocol (sd_notify(3)): one datagram; nothing where nobody asked.
void notify_manager(const std::string& state);

}  // namespace mintmark
