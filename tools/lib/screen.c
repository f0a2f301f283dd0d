#include "lib/screen.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "lib/text.h"

/* How many bytes at text are one character that can be shown: whole UTF-8, and neither C0, DEL nor C1 (U+0080 to U+009F, which a
 * terminal obeys like ESC). 0: none. */
static size_t printable(const char *text)
{
    const unsigned char *byte = (const unsigned char *)text;
    size_t length = byte[0] >= 0xF0 ? 4 : byte[0] >= 0xE0 ? 3 : byte[0] >= 0x80 ? 2 : 1;
    if (byte[0] < 0x20 || byte[0] == 0x7f || (byte[0] == 0xC2 && byte[1] < 0xA0)) {
        return 0;
    }
    return strnlen(text, length) == length && utf8_is_valid(text, length) ? length : 0;
}

void screen_text(FILE *out, const char *text, size_t columns)
{
    while (*text != '\0') {
        size_t length = printable(text);
        size_t width = length == 0 ? 4 : length > 2 ? 2 : 1; /* Chinese takes two columns */
        if (width > columns) {
            return;
        }
        columns -= width;
        if (length > 0) {
            fwrite(text, 1, length, out);
            text += length;
        } else {
            fprintf(out, "\\x%02x", (unsigned char)*text++);
        }
    }
}

static void put(FILE *out, const char *format, va_list arguments)
{
    char *text = NULL;
    if (vasprintf(&text, format, arguments) < 0) {
        fputs("(no memory to show this)", out);
        return;
    }
    screen_text(out, text, SIZE_MAX);
    free(text);
}

void screen_put(FILE *out, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    put(out, format, arguments);
    va_end(arguments);
}

void screen_line(FILE *out, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    put(out, format, arguments);
    va_end(arguments);
    fputc('\n', out);
}
