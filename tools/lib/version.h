/*
 * version.h - the release; in --version, snapshots, journals and reports.
 */
#ifndef CAISSON_LIB_VERSION_H
#define CAISSON_LIB_VERSION_H

#define CAISSON_VERSION "0.1.0"

#endif
