#include "target/accounts.h"

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/buffer.h"
#include "lib/root.h"

#define FILE_LIMIT ((size_t)16 << 20)

/* Cuts the next line out of *text (which is changed) into up to `limit` fields at ':'. False at the end. */
static bool next_entry(char **text, char **fields, size_t limit, size_t *count)
{
    char *line = strsep(text, "\n");
    *count = 0;
    while (line != NULL && *count < limit) {
        fields[(*count)++] = strsep(&line, ":");
    }
    return *count > 0;
}

static bool number(const char *text, unsigned *value)
{
    char *end = NULL;
    errno = 0;
    unsigned long parsed = strtoul(text, &end, 10);
    *value = (unsigned)parsed;
    return text[0] >= '0' && text[0] <= '9' && *end == '\0' && errno == 0 && parsed < UINT32_MAX;
}

static bool list_has(char *list, const char *name)
{
    for (char *item = strsep(&list, ","); item != NULL; item = strsep(&list, ",")) {
        if (strcmp(item, name) == 0) {
            return true;
        }
    }
    return false;
}

/* The groups that name the account among their members. */
static int read_groups(int root_fd, struct account *account, struct error *error)
{
    struct buffer content = {0};
    account->groups[0] = account->gid;
    account->group_count = 1;
    int result = root_exists(root_fd, "/etc/group") ? root_read(root_fd, "/etc/group", FILE_LIMIT, &content, error) : 0;
    char *text = content.data;
    char *fields[4];
    size_t count = 0;
    while (result == 0 && text != NULL && next_entry(&text, fields, 4, &count)) {
        unsigned gid = 0;
        if (count == 4 && number(fields[2], &gid) && gid != account->gid && list_has(fields[3], account->name) &&
            account->group_count < ACCOUNT_GROUPS_MAX) {
            account->groups[account->group_count++] = gid;
        }
    }
    buffer_free(&content);
    return result;
}

/* name NULL: by uid. *found false where there is no such line. */
static int look_up(int root_fd, const char *name, uid_t uid, struct account *account, bool *found, struct error *error)
{
    struct buffer content = {0};
    *found = false;
    if (!root_exists(root_fd, "/etc/passwd")) {
        return 0;
    }
    int result = root_read(root_fd, "/etc/passwd", FILE_LIMIT, &content, error);
    char *text = content.data;
    char *fields[7];
    size_t count = 0;
    while (result == 0 && !*found && text != NULL && next_entry(&text, fields, 7, &count)) {
        unsigned line_uid = 0;
        unsigned line_gid = 0;
        if (count < 6 || !number(fields[2], &line_uid) || !number(fields[3], &line_gid) ||
            (name != NULL ? strcmp(fields[0], name) != 0 : line_uid != uid)) {
            continue;
        }
        *found = true;
        account->uid = line_uid;
        account->gid = line_gid;
        if (snprintf(account->name, sizeof account->name, "%s", fields[0]) >= (int)sizeof account->name ||
            snprintf(account->home, sizeof account->home, "%s", fields[5][0] == '/' ? fields[5] : "/") >=
                (int)sizeof account->home) {
            result = error_set(error, CSN_TARGET_PROFILE,
                               "the line of the user %s in the server's /etc/passwd is too long", fields[0]);
        }
    }
    buffer_free(&content);
    return result;
}

int account_find_uid(int root_fd, uid_t uid, gid_t gid, struct account *account, struct error *error)
{
    bool found = false;
    *account = (struct account){.home = "/"};
    if (look_up(root_fd, NULL, uid, account, &found, error) != 0) {
        return -1;
    }
    if (!found) {
        account->uid = uid;
        account->gid = gid;
        account->groups[0] = gid;
        account->group_count = 1;
        snprintf(account->name, sizeof account->name, "%u", (unsigned)uid);
        return 0;
    }
    return read_groups(root_fd, account, error);
}

int account_find(int root_fd, const char *name, struct account *account, struct error *error)
{
    bool found = false;
    unsigned uid = 0;
    *account = (struct account){.home = "/"};
    if (look_up(root_fd, name, 0, account, &found, error) != 0) {
        return -1;
    }
    if (found) {
        return read_groups(root_fd, account, error);
    }
    if (number(name, &uid)) {
        return account_find_uid(root_fd, uid, uid, account, error);
    }
    return error_set(error, CSN_TARGET_PROFILE, "the server has no user %s in its /etc/passwd", name);
}

int account_find_group(int root_fd, const char *name, gid_t *gid, struct error *error)
{
    struct buffer content = {0};
    unsigned found = 0;
    bool known = false;
    int result = root_exists(root_fd, "/etc/group") ? root_read(root_fd, "/etc/group", FILE_LIMIT, &content, error) : 0;
    char *text = content.data;
    char *fields[3];
    size_t count = 0;
    while (result == 0 && !known && text != NULL && next_entry(&text, fields, 3, &count)) {
        char *end = count == 3 ? strchr(fields[2], ':') : NULL;
        if (end != NULL) {
            *end = '\0';
        }
        known = count == 3 && strcmp(fields[0], name) == 0 && number(fields[2], &found);
    }
    buffer_free(&content);
    if (result == 0 && !known && !number(name, &found)) {
        return error_set(error, CSN_TARGET_PROFILE, "the server has no group %s in its /etc/group", name);
    }
    *gid = found;
    return result;
}
