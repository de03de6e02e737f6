#include "cli/application.h"

int main(int argument_count, char** arguments) { return osync::cli::run_application(argument_count, arguments); }
