#include "report/html.h"

#include <inttypes.h>
#include <stdbool.h>
#include <string.h>

#include "lib/json.h"
#include "report/words.h"

struct html_value html_of(const char *text)
{
    return (struct html_value){.kind = HTML_TEXT, .text = text};
}

struct html_value html_of_number(int64_t number)
{
    return (struct html_value){.kind = HTML_NUMBER, .number = number};
}

struct html_value html_of_ms(int64_t milliseconds)
{
    return (struct html_value){.kind = HTML_DURATION, .number = milliseconds};
}

struct html_value html_of_bytes(int64_t bytes)
{
    return (struct html_value){.kind = HTML_BYTES, .number = bytes};
}

struct html_value html_of_time(const char *time)
{
    return (struct html_value){.kind = HTML_TIME, .text = time};
}

struct html_value html_of_words(const char *key)
{
    return (struct html_value){.kind = HTML_WORDS, .text = key};
}

/* --- text ---------------------------------------------------------------------------------------------------------- */

/* Length of the UTF-8 sequence at bytes and its code point; 0 if it is not well-formed (RFC 3629). */
static size_t decode(const unsigned char *bytes, size_t size, uint32_t *point)
{
    static const uint32_t smallest[] = {0, 0, 0x80, 0x800, 0x10000};
    size_t length = bytes[0] < 0x80             ? 1
                    : (bytes[0] & 0xE0) == 0xC0 ? 2
                    : (bytes[0] & 0xF0) == 0xE0 ? 3
                    : (bytes[0] & 0xF8) == 0xF0 ? 4
                                                : 0;
    if (length == 0 || length > size) {
        return 0;
    }
    *point = length == 1 ? bytes[0] : bytes[0] & (0x7Fu >> length);
    for (size_t i = 1; i < length; i++) {
        if ((bytes[i] & 0xC0) != 0x80) {
            return 0;
        }
        *point = *point << 6 | (bytes[i] & 0x3Fu);
    }
    bool surrogate = *point >= 0xD800 && *point <= 0xDFFF;
    return *point < smallest[length] || *point > 0x10FFFF || surrogate ? 0 : length;
}

/* Controls, characters of no width, those that turn the direction of text, and those that no document may hold: a reader must
 * see that they are there. */
static bool is_unseen(uint32_t point)
{
    static const uint32_t ranges[][2] = {
        {0x00, 0x1F},     {0x7F, 0x9F},     {0xAD, 0xAD},       {0x061C, 0x061C}, {0x180E, 0x180E},
        {0x200B, 0x200F}, {0x2028, 0x202E}, {0x2060, 0x206F},   {0xFE00, 0xFE0F}, {0xFEFF, 0xFEFF},
        {0xFFF9, 0xFFFB}, {0xFDD0, 0xFDEF}, {0xE0000, 0xE0FFF},
    };
    for (size_t i = 0; i < sizeof ranges / sizeof ranges[0]; i++) {
        if (point >= ranges[i][0] && point <= ranges[i][1]) {
            return true;
        }
    }
    return (point & 0xFFFE) == 0xFFFE;
}

static void append_character(struct buffer *out, const char *bytes, size_t length, uint32_t point)
{
    switch (point) {
    case '<': buffer_string(out, "&lt;"); return;
    case '>': buffer_string(out, "&gt;"); return;
    case '&': buffer_string(out, "&amp;"); return;
    case '"': buffer_string(out, "&quot;"); return;
    case '\'': buffer_string(out, "&#39;"); return;
    case '\n': buffer_string(out, "<span class=\"odd\">\\n</span>"); return;
    case '\t': buffer_string(out, "<span class=\"odd\">\\t</span>"); return;
    default: break;
    }
    if (is_unseen(point)) {
        buffer_format(out, "<span class=\"odd\">\\u{%" PRIx32 "}</span>", point);
    } else {
        buffer_append(out, bytes, length);
    }
}

void html_text(struct buffer *out, const char *bytes, size_t size_bytes)
{
    for (size_t i = 0; i < size_bytes;) {
        uint32_t point;
        size_t length = decode((const unsigned char *)bytes + i, size_bytes - i, &point);
        if (length == 0) {
            buffer_format(out, "<span class=\"odd\">\\x%02X</span>", (unsigned char)bytes[i]);
            i++;
        } else {
            append_character(out, bytes + i, length, point);
            i += length;
        }
    }
}

void html_member(struct buffer *out, yyjson_val *object, const char *key)
{
    struct buffer bytes = {0};
    if (json_get_bytes(object, key, &bytes) && bytes.size > 0) {
        buffer_string(out, "<bdi>");
        html_text(out, bytes.data, bytes.size);
        buffer_string(out, "</bdi>");
    }
    buffer_free(&bytes);
}

/* --- values -------------------------------------------------------------------------------------------------------- */

static void append_number(struct buffer *out, int64_t number)
{
    char digits[24];
    int length = snprintf(digits, sizeof digits, "%" PRIu64, number < 0 ? 0 - (uint64_t)number : (uint64_t)number);
    if (number < 0) {
        buffer_string(out, "-");
    }
    for (int i = 0; i < length; i++) {
        if (i > 0 && (length - i) % 3 == 0) {
            buffer_string(out, ",");
        }
        buffer_append(out, &digits[i], 1);
    }
}

static void append_bytes(struct buffer *out, int64_t bytes)
{
    static const char *const units[] = {"B", "kB", "MB", "GB", "TB", "PB"};
    double size = (double)bytes;
    size_t unit = 0;
    while ((size >= 1000 || size <= -1000) && unit < 5) {
        size /= 1000;
        unit++;
    }
    buffer_format(out, unit == 0 ? "%.0f %s" : "%.1f %s", size, units[unit]);
}

static void append_duration(struct buffer *out, int64_t milliseconds, enum words_language language)
{
    static const char *const units[WORDS_LANGUAGES][4] = {{"ms", "s", "min", "h"}, {"毫秒", "秒", "分", "小时"}};
    const char *const *unit = units[language];
    int64_t seconds = milliseconds / 1000;
    if (milliseconds < 1000) {
        buffer_format(out, "%" PRId64 " %s", milliseconds, unit[0]);
    } else if (seconds < 10) {
        buffer_format(out, "%" PRId64 ".%" PRId64 " %s", seconds, milliseconds % 1000 / 100, unit[1]);
    } else if (seconds < 60) {
        buffer_format(out, "%" PRId64 " %s", seconds, unit[1]);
    } else if (seconds < 3600) {
        buffer_format(out, "%" PRId64 " %s %02" PRId64 " %s", seconds / 60, unit[2], seconds % 60, unit[1]);
    } else {
        buffer_format(out, "%" PRId64 " %s %02" PRId64 " %s", seconds / 3600, unit[3], seconds % 3600 / 60, unit[2]);
    }
}

/* "2026-11-23T03:06:26.123Z" as "2026-11-23 03:06:26 UTC"; anything else as it is. */
static void append_time(struct buffer *out, const char *time)
{
    size_t length = strlen(time);
    if (length >= 20 && time[10] == 'T' && time[length - 1] == 'Z') {
        html_text(out, time, 10);
        buffer_string(out, " ");
        html_text(out, time + 11, 8);
        buffer_string(out, " UTC");
    } else {
        html_text(out, time, length);
    }
}

static void append_value(struct buffer *out, const struct html_value *value, enum words_language language)
{
    const struct words *words;
    switch (value->kind) {
    case HTML_TEXT:
        buffer_string(out, "<bdi>");
        html_text(out, value->text, strlen(value->text));
        buffer_string(out, "</bdi>");
        break;
    case HTML_NUMBER: append_number(out, value->number); break;
    case HTML_DURATION: append_duration(out, value->number, language); break;
    case HTML_BYTES: append_bytes(out, value->number); break;
    case HTML_TIME: append_time(out, value->text); break;
    case HTML_WORDS:
        words = words_find(value->text);
        html_text(out, words == NULL ? value->text : words->text[language],
                  strlen(words == NULL ? value->text : words->text[language]));
        break;
    }
}

/* --- sentences ----------------------------------------------------------------------------------------------------- */

static void append_sentence(struct buffer *out, const char *sentence, const struct html_value *values, size_t count,
                            enum words_language language)
{
    while (*sentence != '\0') {
        size_t plain = strcspn(sentence, "{");
        html_text(out, sentence, plain);
        sentence += plain;
        if (sentence[0] == '{' && sentence[1] >= '1' && sentence[1] <= '9' && sentence[2] == '}') {
            size_t index = (size_t)(sentence[1] - '1');
            if (index < count) {
                append_value(out, &values[index], language);
            }
            sentence += 3;
        } else if (sentence[0] == '{') {
            html_text(out, sentence++, 1);
        }
    }
}

void html_say(struct buffer *out, const char *key, const struct html_value *values, size_t count)
{
    const struct words *words = words_find(key);
    if (words == NULL) {
        html_text(out, key, strlen(key));
        return;
    }
    buffer_string(out, "<span lang=\"en\">");
    append_sentence(out, words->text[WORDS_EN], values, count, WORDS_EN);
    buffer_string(out, "</span><span lang=\"zh\">");
    append_sentence(out, words->text[WORDS_ZH], values, count, WORDS_ZH);
    buffer_string(out, "</span>");
}

void html_both(struct buffer *out, const char *english, const char *chinese)
{
    buffer_string(out, "<span lang=\"en\">");
    html_text(out, english, strlen(english));
    buffer_string(out, "</span><span lang=\"zh\">");
    html_text(out, chinese, strlen(chinese));
    buffer_string(out, "</span>");
}

void html_value(struct buffer *out, struct html_value value)
{
    bool both = value.kind == HTML_DURATION || value.kind == HTML_WORDS;
    if (!both) {
        append_value(out, &value, WORDS_EN);
        return;
    }
    buffer_string(out, "<span lang=\"en\">");
    append_value(out, &value, WORDS_EN);
    buffer_string(out, "</span><span lang=\"zh\">");
    append_value(out, &value, WORDS_ZH);
    buffer_string(out, "</span>");
}

void html_record(struct buffer *out, int64_t seq)
{
    if (seq > 0) {
        buffer_format(out, " <a class=\"rec\" href=\"#r%" PRId64 "\">#%" PRId64 "</a>", seq, seq);
    }
}
