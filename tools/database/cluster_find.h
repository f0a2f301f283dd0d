/*
 * cluster_find.h - where on a server the programs and the configuration of a cluster lie (for cluster.c).
 */
#ifndef CAISSON_DATABASE_CLUSTER_FIND_H
#define CAISSON_DATABASE_CLUSTER_FIND_H

#include "lib/error.h"

/* *binaries: the folder (given, or one of the usual ones) whose postgres is of that version, read out of the program file
 * itself; NULL where there is none. The caller frees it. */
int cluster_find_binaries(int root_fd, const char *given, int version, char **binaries, struct error *error) MUST_CHECK;

/* *config_file: that of Debian's /etc/postgresql/N/NAME whose data_directory is data_path, else postgresql.conf in the data
 * folder; NULL where there is none. The caller frees it. */
int cluster_find_config(int root_fd, const char *data_path, int version, char **config_file, struct error *error)
    MUST_CHECK;

/* The major version of the postgres program file at path, or 0 if it is none. Read, not run. */
int cluster_program_version(int root_fd, const char *path, int *version, struct error *error) MUST_CHECK;

#endif
