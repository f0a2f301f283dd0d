#include "lib/options.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void print_help(const struct option_usage *usage, const struct option_rule *rules)
{
    printf("caisson %s", usage->command);
    for (const struct option_rule *rule = rules; rule->name != NULL; rule++) {
        const char *open = rule->required ? "" : "[";
        const char *close = rule->required ? "" : "]";
        printf(" %s--%s%s%s%s%s", open, rule->name, rule->value == NULL ? "" : " ",
               rule->value == NULL ? "" : rule->value, close, rule->kind == OPTION_LIST ? "..." : "");
    }
    printf("%s%s\n\n%s\n", usage->operands[0] == '\0' ? "" : " ", usage->operands, usage->summary);
    for (const struct option_rule *rule = rules; rule->name != NULL; rule++) {
        printf("%s  --%s%s%s\n        %s\n", rule == rules ? "\n" : "", rule->name, rule->value == NULL ? "" : " ",
               rule->value == NULL ? "" : rule->value, rule->help);
    }
}

static int find_rule(const struct option_rule *rules, const char *name, size_t length)
{
    for (int i = 0; rules[i].name != NULL; i++) {
        if (strlen(rules[i].name) == length && strncmp(rules[i].name, name, length) == 0) {
            return i;
        }
    }
    return -1;
}

static bool is_number(const char *text)
{
    char *end = NULL;
    errno = 0;
    (void)strtoull(text, &end, 10);
    return text[0] >= '0' && text[0] <= '9' && *end == '\0' && errno == 0;
}

/* Takes one option at argv[*at] and moves *at to its last word. */
static int take_option(struct options *options, const struct option_usage *usage, int argc, char *const argv[], int *at,
                       struct error *error)
{
    const char *name = argv[*at] + 2;
    size_t length = strcspn(name, "=");
    int index = find_rule(options->rules, name, length);
    if (index < 0) {
        return error_set(error, CSN_USAGE, "`caisson %s` has no option --%.*s", usage->command, (int)length, name);
    }
    const struct option_rule *rule = &options->rules[index];
    if (options->given[index] && rule->kind != OPTION_LIST) {
        return error_set(error, CSN_USAGE, "--%s is given twice", rule->name);
    }
    options->given[index] = true;
    if (rule->kind == OPTION_FLAG) {
        return name[length] == '=' ? error_set(error, CSN_USAGE, "--%s takes no value", rule->name) : 0;
    }
    const char *value = name + length + 1;
    if (name[length] != '=') {
        if (++*at >= argc) {
            return error_set(error, CSN_USAGE, "--%s needs a value: %s", rule->name, rule->value);
        }
        value = argv[*at];
    }
    if (rule->kind == OPTION_NUMBER && !is_number(value)) {
        return error_set(error, CSN_USAGE, "--%s is \"%s\", expected is a whole number", rule->name, value);
    }
    return strings_add(&options->values[index], value, error);
}

static int check_complete(const struct options *options, const struct option_usage *usage, struct error *error)
{
    for (int i = 0; options->rules[i].name != NULL; i++) {
        if (options->rules[i].required && !options->given[i]) {
            return error_set(error, CSN_USAGE, "`caisson %s` needs --%s %s", usage->command, options->rules[i].name,
                             options->rules[i].value);
        }
    }
    if (options->operands.count < usage->operands_min || options->operands.count > usage->operands_max) {
        return error_set(error, CSN_USAGE, "`caisson %s` takes %s, not %zu operand(s)", usage->command,
                         usage->operands[0] == '\0' ? "no operand" : usage->operands, options->operands.count);
    }
    return 0;
}

int options_parse(struct options *options, const struct option_usage *usage, const struct option_rule *rules, int argc,
                  char *const argv[], struct error *error)
{
    *options = (struct options){.rules = rules};
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--help") == 0) {
            print_help(usage, rules);
            return 1;
        }
        if (strcmp(argv[i], "--") == 0) {
            break;
        }
    }
    bool ended = false;
    for (int i = 1; i < argc; i++) {
        int result;
        if (!ended && strcmp(argv[i], "--") == 0) {
            ended = true;
            continue;
        }
        if (!ended && strncmp(argv[i], "--", 2) == 0) {
            result = take_option(options, usage, argc, argv, &i, error);
        } else {
            result = strings_add(&options->operands, argv[i], error);
        }
        if (result != 0) {
            return -1;
        }
    }
    return check_complete(options, usage, error);
}

void options_free(struct options *options)
{
    for (int i = 0; i < OPTIONS_LIMIT; i++) {
        strings_free(&options->values[i]);
    }
    strings_free(&options->operands);
}

/* A name that is not in the table is a defect of the command, found by its first test: answer as "not given". */
static int index_of(const struct options *options, const char *name)
{
    return find_rule(options->rules, name, strlen(name));
}

bool options_flag(const struct options *options, const char *name)
{
    int index = index_of(options, name);
    return index >= 0 && options->given[index];
}

const char *options_text(const struct options *options, const char *name)
{
    int index = index_of(options, name);
    return index >= 0 && options->given[index] && options->values[index].count > 0 ? options->values[index].items[0]
                                                                                   : NULL;
}

uint64_t options_number(const struct options *options, const char *name, uint64_t otherwise)
{
    const char *text = options_text(options, name);
    return text == NULL ? otherwise : strtoull(text, NULL, 10);
}

const struct strings *options_list(const struct options *options, const char *name)
{
    static const struct strings none = {0};
    int index = index_of(options, name);
    return index >= 0 ? &options->values[index] : &none;
}
