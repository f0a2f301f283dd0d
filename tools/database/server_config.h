/*
 * server_config.h - the command line and the hba file with which a server is started (for server.c).
 */
#ifndef CAISSON_DATABASE_SERVER_CONFIG_H
#define CAISSON_DATABASE_SERVER_CONFIG_H

#include "database/server.h"
#include "lib/strings.h"

#define SERVER_FOLDER "/run/caisson-database" /* in the view: socket and hba file; only the cluster's owner enters */

/* The roles that may be superuser, most likely first, each once. */
int server_superusers(const struct view *view, const struct database_settings *settings, struct strings *names,
                      struct error *error) MUST_CHECK;

/* Makes SERVER_FOLDER with the hba file in the view, fills *arguments with postgres's argv and *port. In application mode
 * this asks the server's own postgres how it is configured. */
int server_prepare(struct view *view, const struct database_settings *settings, const struct strings *superusers,
                   struct strings *arguments, int *port, struct error *error) MUST_CHECK;

#endif
