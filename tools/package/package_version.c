#include "package/package_version.h"

#include <stddef.h>
#include <string.h>
#include <strings.h>

#define VERSION_LENGTH_MAX 47

/* What stands before a release of the same number; every other word stands behind it ("sp1", "p2"). */
static const char *const words_before[] = {"alpha", "beta", "dev", "m", "pre", "rc"};

struct part {
    const char *start;
    size_t length; /* 0: the version has ended */
    bool number;
};

/* ASCII only: the C library's isalpha depends on the locale. */
static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_letter(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static struct part next_part(const char **at)
{
    while (**at != '\0' && !is_digit(**at) && !is_letter(**at)) {
        (*at)++;
    }
    struct part part = {*at, 0, is_digit(**at)};
    while (part.number ? is_digit(**at) : is_letter(**at)) {
        (*at)++;
    }
    part.length = (size_t)(*at - part.start);
    return part;
}

static bool is_before_release(const struct part *part)
{
    for (size_t i = 0; !part->number && i < sizeof words_before / sizeof words_before[0]; i++) {
        if (strlen(words_before[i]) == part->length && strncasecmp(words_before[i], part->start, part->length) == 0) {
            return true;
        }
    }
    return false;
}

/* Any length of digits: without leading zeros the longer one is the larger. */
static int compare_numbers(struct part one, struct part other)
{
    while (one.length > 1 && *one.start == '0') {
        one.start++;
        one.length--;
    }
    while (other.length > 1 && *other.start == '0') {
        other.start++;
        other.length--;
    }
    if (one.length != other.length) {
        return one.length < other.length ? -1 : 1;
    }
    return strncmp(one.start, other.start, one.length);
}

static int compare_words(struct part one, struct part other)
{
    size_t shorter = one.length < other.length ? one.length : other.length;
    int order = strncasecmp(one.start, other.start, shorter);
    if (order != 0 || one.length == other.length) {
        return order;
    }
    return one.length < other.length ? -1 : 1;
}

/* Where the part stands against others: a word before the release, the end, a word behind it, a number. */
static int rank(const struct part *part)
{
    if (part->length == 0) {
        return 1;
    }
    return part->number ? 3 : is_before_release(part) ? 0 : 2;
}

int package_version_compare(const char *one, const char *other)
{
    for (;;) {
        struct part a = next_part(&one);
        struct part b = next_part(&other);
        if (rank(&a) != rank(&b)) {
            return rank(&a) - rank(&b);
        }
        if (a.length == 0) {
            return 0;
        }
        int order = a.number ? compare_numbers(a, b) : compare_words(a, b);
        if (order != 0) {
            return order;
        }
    }
}

bool package_version_fits(const char *version, const char *pattern)
{
    size_t length = strlen(pattern);
    if (length > 2 && strcmp(pattern + length - 2, ".*") == 0) {
        size_t series = length - 2;
        return strncmp(version, pattern, series) == 0 && (version[series] == '\0' || version[series] == '.');
    }
    return strcmp(version, pattern) == 0;
}

bool package_version_is_valid(const char *version)
{
    size_t length = strlen(version);
    if (length == 0 || length > VERSION_LENGTH_MAX || (!is_digit(version[0]) && !is_letter(version[0]))) {
        return false;
    }
    for (const char *at = version; *at != '\0'; at++) {
        if (!is_digit(*at) && !is_letter(*at) && strchr("._+~-", *at) == NULL) {
            return false;
        }
    }
    return true;
}

bool package_pattern_is_valid(const char *pattern)
{
    size_t length = strlen(pattern);
    char series[VERSION_LENGTH_MAX + 1];
    if (length > 2 && length - 2 <= VERSION_LENGTH_MAX && strcmp(pattern + length - 2, ".*") == 0) {
        memcpy(series, pattern, length - 2);
        series[length - 2] = '\0';
        return package_version_is_valid(series);
    }
    return package_version_is_valid(pattern);
}
