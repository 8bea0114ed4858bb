/* What the files of ops/ share and nobody else needs. */
#pragma once

/* Boot: makes the system object. */
void system_init(void);
