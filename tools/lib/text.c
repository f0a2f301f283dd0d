#include "lib/text.h"

#include <ctype.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

bool utf8_is_valid(const char *bytes, size_t size_bytes)
{
    const uint8_t *at = (const uint8_t *)bytes;
    const uint8_t *end = at + size_bytes;
    while (at < end) {
        uint8_t first = *at++;
        if (first == 0) {
            return false;
        }
        if (first < 0x80) {
            continue;
        }
        size_t more = first >= 0xF0 ? 3 : first >= 0xE0 ? 2 : 1;
        if (first < 0xC2 || first > 0xF4 || (size_t)(end - at) < more) {
            return false;
        }
        uint8_t low = first == 0xE0 ? 0xA0 : first == 0xF0 ? 0x90 : 0x80;
        uint8_t high = first == 0xED ? 0x9F : first == 0xF4 ? 0x8F : 0xBF;
        if (at[0] < low || at[0] > high) {
            return false;
        }
        for (size_t i = 1; i < more; i++) {
            if ((at[i] & 0xC0) != 0x80) {
                return false;
            }
        }
        at += more;
    }
    return true;
}

int utf8_cut(const char *text, size_t most)
{
    size_t length = strnlen(text, most + 1);
    if (length <= most) {
        return (int)length;
    }
    size_t cut = most;
    while (cut > 0 && most - cut < 3 && ((unsigned char)text[cut] & 0xC0) == 0x80) {
        cut--;
    }
    return (int)(((unsigned char)text[cut] & 0xC0) == 0x80 ? most : cut);
}

/* Appends bytes; a run of line ends, with the blanks around it, is one mark. */
static size_t flatten(const char *text, size_t size_bytes, char *line)
{
    static const char mark[] = " | ";
    size_t used = 0;
    for (size_t i = 0; i < size_bytes; i++) {
        unsigned char byte = (unsigned char)text[i];
        if (byte == '\n' || byte == '\r') {
            while (i + 1 < size_bytes && strchr("\r\n\t ", text[i + 1]) != NULL) {
                i++;
            }
            if (used > 0 && i + 1 < size_bytes) {
                memcpy(line + used, mark, sizeof mark - 1);
                used += sizeof mark - 1;
            }
        } else {
            line[used++] = byte < ' ' || byte == 0x7f ? ' ' : (char)byte;
        }
    }
    return used;
}

void text_one_line(const char *text, size_t size_bytes, char *line, size_t line_size)
{
    static const char gap[] = " ... ";
    while (size_bytes > 0 && (text[size_bytes - 1] == '\0' || isspace((unsigned char)text[size_bytes - 1]))) {
        size_bytes--;
    }
    char *whole = calloc(3 * size_bytes + 1, 1);
    line[0] = '\0';
    if (whole == NULL) {
        return;
    }
    size_t length = flatten(text, size_bytes, whole);
    if (length < line_size) {
        memcpy(line, whole, length);
        line[length] = '\0';
    } else {
        size_t head = (size_t)utf8_cut(whole, line_size / 4);
        size_t room = line_size > head + sizeof gap ? line_size - head - sizeof gap : 0;
        size_t tail = room < length ? room : length;
        while (tail > 0 && ((unsigned char)whole[length - tail] & 0xC0) == 0x80) {
            tail--;
        }
        memcpy(line, whole, head);
        memcpy(line + head, gap, sizeof gap - 1);
        memcpy(line + head + sizeof gap - 1, whole + length - tail, tail);
        line[head + sizeof gap - 1 + tail] = '\0';
    }
    free(whole);
}
