#include "database/dump_program.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "lib/buffer.h"

#define CONNECTION_LIMIT 65536

int pg_dump_main(int argc, char **argv);
int pg_dumpall_main(int argc, char **argv);
int pg_restore_main(int argc, char **argv);

static const struct {
    const char *name;
    int (*run)(int argc, char **argv);
} programs[] = {
    {"pg_dump", pg_dump_main},
    {"pg_dumpall", pg_dumpall_main},
    {"pg_restore", pg_restore_main},
};

static int take_connection(struct buffer *option)
{
    struct error ignored;
    ssize_t got = 1;
    buffer_string(option, "--dbname=");
    while (got > 0 && option->size < CONNECTION_LIMIT) {
        char *place = buffer_reserve(option, CONNECTION_LIMIT);
        got = place == NULL ? -1 : read(STDIN_FILENO, place, CONNECTION_LIMIT);
        option->size += got > 0 ? (size_t)got : 0;
    }
    buffer_append(option, "", 1);
    return got < 0 ? -1 : buffer_check(option, &ignored);
}

int dump_program(int argc, char **argv)
{
    struct buffer option = {0};
    int status = EXIT_USAGE;
    if (argc > 1 && strcmp(argv[1], DUMP_CONNECTION_OPTION) == 0) {
        if (take_connection(&option) != 0) {
            fprintf(stderr, "%s: error: no connection came on standard input\n", argv[0]);
            buffer_free(&option);
            return EXIT_SYSTEM;
        }
        argv[1] = option.data;
    }
    for (size_t i = 0; i < sizeof programs / sizeof programs[0]; i++) {
        if (strcmp(argv[0], programs[i].name) == 0) {
            status = programs[i].run(argc, argv);
        }
    }
    buffer_free(&option);
    return status;
}
