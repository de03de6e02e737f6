// The template of GroupApplier::replace(), for the two files that hold its member functions.
#pragma once

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>

#include "group_applier.h"

namespace osync::sink_fs {

template <class Make>
Status GroupApplier::replace(const Operation& operation, FileType type, Make make) {
  while (true) {
    auto temporary = this->temporary();
    if (!temporary.ok()) return temporary.status();
    const int place = temporary->place;
    const char* name = temporary->name.c_str();
    const bool inherits = beside_ && inherits_acl();
    Status status = make(place, name, beside_ ? made_here_ : made_in_stage_, inherits);
    if (status.ok()) status = replacer_->publish(place, name, operation.name.c_str(), type);
    if (status.ok()) return status;
    // What is left of the temporary goes; where that fails too, the next claim removes it.
    unlinkat(place, name, type == FileType::directory ? AT_REMOVEDIR : 0);
    if (status.sys_errno() != EXDEV || beside_) return status;
    beside_ = true;
  }
}

} // namespace osync::sink_fs
