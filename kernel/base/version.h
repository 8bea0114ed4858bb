/* What this system calls itself. */
#pragma once

#define PEAL_NAME    "Peal"
#define PEAL_VERSION "0.1"
