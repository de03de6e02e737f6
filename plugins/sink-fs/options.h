// The plugin's option table.
#pragma once

#include "osync/plugin.h"

namespace osync::sink_fs {

inline constexpr OptionSpec option_table[] = {
    {"root", OptionType::path, "", nullptr, "",
     "Directory that becomes the replica; made where only its last component is missing."},
    {"keep_replaced", OptionType::boolean, "", "false", "",
     "Move what is replaced by an entry of another type to .osync/kept/ instead of deleting it."},
};

} // namespace osync::sink_fs
