/*
 * From a watch or a timer back to the structure it is a member of.
 */
#ifndef BALLAST_BASE_OWNER_H
#define BALLAST_BASE_OWNER_H

#include <stddef.h>

#define OWNER(ptr, type, member) ((type *)((char *)(ptr)-offsetof(type, member)))

#endif
