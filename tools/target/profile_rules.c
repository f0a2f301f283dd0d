#include "target/profile.h"

static const struct ini_rule rules[] = {
    {"profile", "name", INI_TEXT, true, "the application's short name: lower-case letters, digits, - and ."},
    {"profile", "title", INI_TEXT, false, "its name for people; otherwise `name`"},
    {"program", "root", INI_PATH, false, "the folder of the program tree; globs allowed. Give this or `search`"},
    {"program", "search", INI_LIST, false, "several folders where it may lie, globs allowed"},
    {"program", "version-file", INI_TEXT, true, "a file below the program root that tells the version"},
    {"program", "version-pattern", INI_TEXT, true, "POSIX extended regular expression; its first group is the version"},
    {"configuration", "paths", INI_LIST, false, "the site's configuration: absolute paths of files or folders"},
    {"attachments", "paths", INI_LIST, false, "what users have uploaded: absolute paths of folders"},
    {"keep", "paths", INI_LIST, false, "patterns below the program root that are the site's own and move to the new tree"},
    {"database", "engine", INI_TEXT, true, "`postgresql-cluster` (data folder on this server) or `none`"},
    {"database", "cluster", INI_PATH, false, "the data folder (holds PG_VERSION); globs allowed"},
    {"database", "config", INI_PATH, false, "postgresql.conf where it is outside the data folder; globs allowed"},
    {"database", "hba", INI_PATH, false, "pg_hba.conf where it is outside the data folder; globs allowed"},
    {"database", "binaries", INI_PATH, false, "the folder of `postgres`; otherwise looked for by the cluster's version"},
    {"database", "name", INI_TEXT, false, "the application's database"},
    {"database", "user", INI_TEXT, false, "a superuser of the cluster; otherwise the name of its owner"},
    {"database", "schema", INI_TEXT, false, "the schema of the application's tables; otherwise `public`"},
    {"services", "units", INI_LIST, false, "systemd units of the application"},
    {"services", "database-units", INI_LIST, false, "systemd units of its database"},
    {"start *", "command", INI_TEXT, true, "program and arguments, apart by blanks, \"…\" where one holds blanks; no shell"},
    {"start *", "user", INI_TEXT, false, "runs as this user of the server; otherwise root"},
    {"start *", "folder", INI_PATH, false, "working folder; otherwise the program root"},
    {"start *", "environment", INI_TEXT, false, "NAME=VALUE …, apart by blanks, \"…\" where one holds blanks"},
    {"start *", "ready-url", INI_TEXT, false, "http:// address that answers once it is up"},
    {"start *", "ready-delay-sec", INI_NUMBER, false, "without an address: it counts as up after so many seconds (1)"},
    {"start *", "ready-timeout-sec", INI_NUMBER, false, "how long it may take to come up (120)"},
    {"health", "url", INI_TEXT, true, "http:// address that must answer; a page that needs code and schema to fit"},
    {"health", "status", INI_NUMBER, false, "the status that is healthy (200)"},
    {"health", "match", INI_TEXT, false, "POSIX extended regular expression that the answer must match"},
    {"health", "timeout-sec", INI_NUMBER, false, "how long the answer may take (60)"},
    {"health *", "url", INI_TEXT, true, "as in [health]: further addresses, each under a name"},
    {"health *", "status", INI_NUMBER, false, "as in [health]"},
    {"health *", "match", INI_TEXT, false, "as in [health]"},
    {"health *", "timeout-sec", INI_NUMBER, false, "as in [health]"},
    {"queries", "roles", INI_TEXT, false, "SQL, a row each: role, number of users in it"},
    {"queries", "user-roles", INI_TEXT, false, "SQL, a row each: user, role"},
    {"queries", "attachments", INI_TEXT, false, "SQL, a row each: path of a file below the first of [attachments] paths"},
    {"metrics", "*", INI_TEXT, false, "SQL that gives one number; compared before and after, and with the job's goals"},
    {NULL, NULL, INI_TEXT, false, NULL},
};

const struct ini_rule *profile_rules(void)
{
    return rules;
}
