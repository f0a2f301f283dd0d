#include "lib/error.h"

#include <ctype.h>
#include <errno.h>
#include <stdarg.h>
#include <string.h>
#include <strings.h>

#include "lib/screen.h"

#define ERROR_ENUM(code, text, exit_code, title, remedy) [code] = {text, exit_code, title, remedy},
static const struct error_entry catalogue[CSN_COUNT] = {
    [CSN_NONE] = {"CSN-0000", EXIT_DONE, "no error", "nothing to do"},
#include "lib/error_catalogue.h"
};
#undef ERROR_ENUM

/* Whoever gives a secret key in a wrong place must not find it in a log: messages repeat what they were given. */
static void hide_secrets(char *message)
{
    static const char prefix[] = "AGE-SECRET-KEY-";
    char *found = message;
    while ((found = strcasestr(found, prefix)) != NULL) {
        found += strlen(prefix);
        for (; isalnum((unsigned char)*found) || *found == '-'; found++) {
            *found = '*';
        }
    }
}

int error_set(struct error *error, enum error_code code, const char *format, ...)
{
    if (error == NULL) {
        return -1;
    }
    error->code = code;
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(error->message, sizeof error->message, format, arguments);
    va_end(arguments);
    hide_secrets(error->message);
    return -1;
}

int error_system(struct error *error, enum error_code code, const char *format, ...)
{
    int saved = errno;
    if (error == NULL) {
        return -1;
    }
    error->code = code;
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(error->message, sizeof error->message, format, arguments);
    va_end(arguments);
    size_t used = strlen(error->message);
    snprintf(error->message + used, sizeof error->message - used, ": %s", strerror(saved));
    hide_secrets(error->message);
    return -1;
}

int error_wrap(struct error *error, const char *format, ...)
{
    if (error == NULL) {
        return -1;
    }
    char context[sizeof error->message];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(context, sizeof context, format, arguments);
    va_end(arguments);
    char joined[2 * sizeof error->message + 4];
    snprintf(joined, sizeof joined, "%s: %s", context, error->message);
    joined[sizeof error->message - 1] = '\0';
    memcpy(error->message, joined, strlen(joined) + 1);
    hide_secrets(error->message);
    return -1;
}

const struct error_entry *error_entry(enum error_code code)
{
    if ((int)code < 0 || code >= CSN_COUNT || catalogue[code].code == NULL) {
        return &catalogue[CSN_INTERNAL];
    }
    return &catalogue[code];
}

enum error_code error_find(const char *text)
{
    for (int i = 1; i < CSN_COUNT; i++) {
        if (strcasecmp(catalogue[i].code, text) == 0) {
            return (enum error_code)i;
        }
    }
    return CSN_NONE;
}

void error_print(FILE *stream, const struct error *error)
{
    const struct error_entry *entry = error_entry(error->code);
    fprintf(stream, "caisson: %s: ", entry->code);
    screen_line(stream, "%s", error->message);
    fprintf(stream, "  do: %s\n", entry->remedy);
}
