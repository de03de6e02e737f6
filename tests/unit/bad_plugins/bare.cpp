// Shared objects that are no plugins.
#ifdef SHORT_SYMBOL
extern "C" __attribute__((visibility("default")))
const char osync_plugin[8] = {'O', 'S', 'Y', 'N', 'C', 'P', 'L', 'G'};
#elif defined(UNDEFINED_SYMBOL)
extern "C" int a_function_that_nobody_defines();
extern "C" __attribute__((visibility("default"))) int osync_plugin_caller() {
  return a_function_that_nobody_defines();
}
#else
extern "C" __attribute__((visibility("default"))) int something_else() { return 1; }
#endif
