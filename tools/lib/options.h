/*
 * options.h - a command's options as one const table; the parser, `--help` and the tests read the same table.
 *
 * Long options only: `--name value`, `--name=value`, `--flag`. A repeat is an error unless the option may be repeated;
 * `--` ends the options. What is left over are the operands.
 */
#ifndef CAISSON_LIB_OPTIONS_H
#define CAISSON_LIB_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/error.h"
#include "lib/strings.h"

enum option_kind {
    OPTION_FLAG,   /* no value */
    OPTION_TEXT,   /* one value */
    OPTION_NUMBER, /* one unsigned decimal */
    OPTION_LIST,   /* may be repeated; each value is kept */
};

struct option_rule {
    const char *name; /* without the dashes; a NULL name ends the table */
    enum option_kind kind;
    bool required;
    const char *value; /* what `--help` calls the value: "DIR"; NULL for a flag */
    const char *help;
};

#define OPTIONS_LIMIT 32

struct options {
    const struct option_rule *rules;
    struct strings values[OPTIONS_LIMIT]; /* by index of the rule */
    bool given[OPTIONS_LIMIT];
    struct strings operands;
};

/* The command as `--help` shows it. */
struct option_usage {
    const char *command;  /* "backup" */
    const char *operands; /* "PATH..." or "" */
    const char *summary;  /* what it does, one or two sentences */
    size_t operands_min, operands_max;
};

/* Parses argv[1..]. Returns 0, or -1 with CSN_USAGE. `--help` prints to stdout and returns 1: the command ends with
 * EXIT_DONE. Free with options_free in each case. */
int options_parse(struct options *options, const struct option_usage *usage, const struct option_rule *rules, int argc,
                  char *const argv[], struct error *error) MUST_CHECK;
void options_free(struct options *options);

bool options_flag(const struct options *options, const char *name);
const char *options_text(const struct options *options, const char *name); /* NULL where not given */
uint64_t options_number(const struct options *options, const char *name, uint64_t otherwise);
const struct strings *options_list(const struct options *options, const char *name); /* never NULL */

#endif
