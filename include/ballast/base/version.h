/*
 * The version of ballast, in one place: -v, -V, /status and lb_build_info say it.
 */
#ifndef BALLAST_BASE_VERSION_H
#define BALLAST_BASE_VERSION_H

#define BALLAST_VERSION "0.1.0"

#endif
