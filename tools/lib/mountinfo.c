#include "lib/mountinfo.h"

#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysmacros.h>

#include "lib/file.h"

/* Blanks, tabs, newlines and backslashes of a path stand there as \ooo. */
static void decode(char *text)
{
    char *to = text;
    for (const char *from = text; *from != '\0'; to++) {
        if (from[0] == '\\' && strspn(from + 1, "01234567") >= 3) {
            *to = (char)((from[1] - '0') << 6 | (from[2] - '0') << 3 | (from[3] - '0'));
            from += 4;
        } else {
            *to = *from++;
        }
    }
    *to = '\0';
}

/* ID PARENT DEVICE ROOT POINT OPTIONS [TAGS …] - TYPE SOURCE OPTIONS */
static bool read_line(char *text, struct mountinfo_line *line)
{
    char *fields[6] = {NULL};
    char *rest = text;
    for (size_t i = 0; i < sizeof fields / sizeof fields[0]; i++) {
        fields[i] = strsep(&rest, " ");
    }
    char *tail = rest == NULL ? NULL : rest[0] == '-' && rest[1] == ' ' ? rest + 2 : strstr(rest, " - ");
    if (tail == NULL) {
        return false;
    }
    tail += tail == rest + 2 ? 0 : 3;
    char *type = strsep(&tail, " ");
    char *source = strsep(&tail, " ");
    unsigned numbers[2];
    if (source == NULL || sscanf(fields[2], "%u:%u", &numbers[0], &numbers[1]) != 2) {
        return false;
    }
    decode(fields[4]);
    decode(source);
    *line = (struct mountinfo_line){.id = strtol(fields[0], NULL, 10),
                                    .device = makedev(numbers[0], numbers[1]),
                                    .point = fields[4],
                                    .type = type,
                                    .source = source,
                                    .options = tail == NULL ? "" : tail};
    return true;
}

int mountinfo_parse(struct mountinfo *mounts, struct buffer *text, struct error *error)
{
    size_t most = 1;
    *mounts = (struct mountinfo){.text = *text};
    *text = (struct buffer){0};
    for (size_t i = 0; i < mounts->text.size; i++) {
        most += mounts->text.data[i] == '\n';
    }
    mounts->lines = calloc(most, sizeof *mounts->lines);
    if (mounts->lines == NULL) {
        mountinfo_free(mounts);
        return error_set(error, CSN_MEMORY, "no memory for the list of what is mounted");
    }
    char *rest = mounts->text.data;
    for (char *line = strsep(&rest, "\n"); line != NULL; line = strsep(&rest, "\n")) {
        if (read_line(line, &mounts->lines[mounts->count])) {
            mounts->count++;
        }
    }
    return 0;
}

int mountinfo_read(struct mountinfo *mounts, struct error *error)
{
    struct buffer text = {0};
    *mounts = (struct mountinfo){0};
    if (file_read(AT_FDCWD, "/proc/self/mountinfo", (size_t)16 << 20, &text, error) != 0) {
        buffer_free(&text);
        return -1;
    }
    return mountinfo_parse(mounts, &text, error);
}

void mountinfo_free(struct mountinfo *mounts)
{
    free(mounts->lines);
    buffer_free(&mounts->text);
    *mounts = (struct mountinfo){0};
}

const struct mountinfo_line *mountinfo_of(const struct mountinfo *mounts, int fd)
{
    const struct mountinfo_line *found = NULL;
    struct buffer text = {0};
    char path[64];
    snprintf(path, sizeof path, "/proc/self/fdinfo/%d", fd);
    if (file_read(AT_FDCWD, path, 65536, &text, NULL) == 0) {
        const char *line = strstr(buffer_text(&text), "mnt_id:");
        long id = line == NULL ? -1 : strtol(line + strlen("mnt_id:"), NULL, 10);
        for (size_t i = 0; found == NULL && i < mounts->count; i++) {
            found = mounts->lines[i].id == id ? &mounts->lines[i] : NULL;
        }
    }
    buffer_free(&text);
    return found;
}
