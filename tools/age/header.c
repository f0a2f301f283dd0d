#include "age/header.h"

#include <limits.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "age/base64.h"

#define FAMILY "age-encryption.org/"
#define ARMOR "-----BEGIN AGE ENCRYPTED FILE-----"
#define STANZA_MARK "-> "
#define MAC_MARK "---"
#define BODY_COLUMNS 64u
#define BODY_LINE_BYTES 48u
#define ARGUMENTS 3u /* no stanza that is known has more */

struct span {
    const char *text; /* not ended by a NUL */
    size_t length;
};

static bool begins_with(struct span span, const char *text)
{
    return span.length >= strlen(text) && memcmp(span.text, text, strlen(text)) == 0;
}

static bool is(struct span span, const char *text)
{
    return span.length == strlen(text) && begins_with(span, text);
}

/* Takes one line off the rest, without its newline. False if there is none. */
static bool next_line(struct span *rest, struct span *line)
{
    const char *end = rest->length == 0 ? NULL : memchr(rest->text, '\n', rest->length);
    if (end == NULL) {
        return false;
    }
    *line = (struct span){rest->text, (size_t)(end - rest->text)};
    rest->text = end + 1;
    rest->length -= line->length + 1;
    return true;
}

bool age_header_begins(const char *bytes, size_t size_bytes)
{
    size_t length = strlen(AGE_VERSION_LINE);
    return memcmp(bytes, AGE_VERSION_LINE, size_bytes < length ? size_bytes : length) == 0;
}

bool age_header_is_meant(const char *bytes, size_t size_bytes)
{
    struct span whole = {bytes, size_bytes};
    return begins_with(whole, FAMILY) || begins_with(whole, ARMOR);
}

size_t age_header_size(const char *bytes, size_t size_bytes)
{
    struct span rest = {bytes, size_bytes};
    struct span line;
    while (next_line(&rest, &line)) {
        if (begins_with(line, MAC_MARK)) {
            return (size_t)(rest.text - bytes);
        }
    }
    return 0;
}

static int damaged(struct error *error, const char *what)
{
    return error_set(error, CSN_AGE_DAMAGED, "its header is not as age v1 asks: %s", what);
}

/* "-> " and arguments, one blank before each. The first ones go to found, which has place for ARGUMENTS; the result
 * is how many there are, 0 if the line is anything else. */
static size_t split_arguments(struct span line, struct span found[ARGUMENTS])
{
    size_t count = 0;
    if (!begins_with(line, STANZA_MARK)) {
        return 0;
    }
    const char *end = line.text + line.length;
    for (const char *at = line.text + strlen(STANZA_MARK) - 1; at < end; count++) {
        const char *start = ++at; /* behind the blank */
        while (at<end && * at> ' ' && *at <= '~') {
            at++;
        }
        if (at == start || (at < end && *at != ' ')) {
            return 0;
        }
        if (count < ARGUMENTS) {
            found[count] = (struct span){start, (size_t)(at - start)};
        }
    }
    return count;
}

/* The body's lines: full ones, then a shorter one. *body is the whole of it where it is one line. False: against the
 * rules. */
static bool take_body(struct span *rest, struct span *body)
{
    struct span line;
    uint8_t bytes[BODY_LINE_BYTES];
    *body = (struct span){NULL, 0};
    for (bool first = true;; first = false) {
        if (!next_line(rest, &line) || line.length > BODY_COLUMNS ||
            !base64_decode(line.text, line.length, bytes, line.length * 3 / 4)) {
            return false;
        }
        if (line.length < BODY_COLUMNS) {
            if (first) {
                *body = line;
            }
            return true;
        }
    }
}

/* ^[1-9][0-9]*$; 0 if it is not. */
static unsigned number_of(struct span text)
{
    unsigned number = 0;
    for (size_t i = 0; i < text.length; i++) {
        if (text.text[i] < '0' || text.text[i] > '9' || (i == 0 && text.text[i] == '0')) {
            return 0;
        }
        unsigned digit = (unsigned)(text.text[i] - '0');
        number = number > (UINT_MAX - digit) / 10 ? UINT_MAX : number * 10 + digit;
    }
    return number;
}

static bool parse_x25519(struct age_stanza *stanza, const struct span *arguments, size_t count)
{
    stanza->kind = AGE_STANZA_X25519;
    return count == 2 && base64_decode(arguments[1].text, arguments[1].length, stanza->share, sizeof stanza->share);
}

static bool parse_scrypt(struct age_stanza *stanza, const struct span *arguments, size_t count)
{
    stanza->kind = AGE_STANZA_SCRYPT;
    if (count != 3 || !base64_decode(arguments[1].text, arguments[1].length, stanza->salt, sizeof stanza->salt)) {
        return false;
    }
    stanza->log_n = number_of(arguments[2]);
    return stanza->log_n != 0;
}

static struct age_stanza *add(struct age_header *header)
{
    struct age_stanza *grown = realloc(header->stanzas, (header->count + 1) * sizeof *grown);
    if (grown == NULL) {
        return NULL;
    }
    header->stanzas = grown;
    grown[header->count] = (struct age_stanza){0};
    return &grown[header->count++];
}

/* One stanza whose first line is line. *passphrases counts those of scrypt. */
static int take_stanza(struct age_header *header, struct span line, struct span *rest, size_t *passphrases,
                       struct error *error)
{
    struct span arguments[ARGUMENTS] = {0};
    struct span body;
    size_t count = split_arguments(line, arguments);
    if (count == 0) {
        return damaged(error, "a stanza's first line");
    }
    if (!take_body(rest, &body)) {
        return damaged(error, "a stanza's body");
    }
    bool x25519 = is(arguments[0], "X25519");
    if (!x25519 && !is(arguments[0], "scrypt")) {
        return 0;
    }
    struct age_stanza *stanza = add(header);
    if (stanza == NULL) {
        return error_set(error, CSN_MEMORY, "no memory for a header of %zu stanzas", header->count + 1);
    }
    if (!(x25519 ? parse_x25519 : parse_scrypt)(stanza, arguments, count)) {
        return damaged(error, "a stanza's arguments");
    }
    if (body.text == NULL || !base64_decode(body.text, body.length, stanza->body, sizeof stanza->body)) {
        return damaged(error, "what a stanza wraps is no file key");
    }
    *passphrases += x25519 ? 0 : 1;
    return 0;
}

static int parse_version(struct span line, struct error *error)
{
    if (is(line, FAMILY "v1")) {
        return 0;
    }
    if (begins_with(line, ARMOR)) {
        return error_set(error, CSN_AGE_NOT, "it is an age file in ASCII armor; only binary ones are read");
    }
    if (begins_with(line, FAMILY)) {
        return error_set(error, CSN_AGE_NOT, "it is an age file of another version than v1");
    }
    return error_set(error, CSN_AGE_NOT, "it does not begin with " FAMILY "v1");
}

static int parse_stanzas(struct age_header *header, struct span *rest, struct span *mac, struct error *error)
{
    size_t count = 0;
    size_t passphrases = 0;
    while (next_line(rest, mac) && !begins_with(*mac, MAC_MARK)) {
        if (++count > AGE_STANZAS_LIMIT) {
            return damaged(error, "too many stanzas");
        }
        if (take_stanza(header, *mac, rest, &passphrases, error) != 0) {
            return -1;
        }
    }
    if (count == 0) {
        return damaged(error, "no stanza");
    }
    return passphrases > 0 && count > 1 ? damaged(error, "a passphrase and something else") : 0;
}

int age_header_parse(struct age_header *header, const char *bytes, size_t size_bytes, struct error *error)
{
    struct span rest = {bytes, size_bytes};
    struct span line = {bytes, size_bytes}; /* where there is no newline, for what is said of it */
    *header = (struct age_header){0};
    (void)next_line(&rest, &line);
    if (parse_version(line, error) != 0 || parse_stanzas(header, &rest, &line, error) != 0) {
        age_header_free(header);
        return -1;
    }
    header->signed_bytes = (size_t)(line.text - bytes) + strlen(MAC_MARK);
    if (!begins_with(line, MAC_MARK " ") || rest.length != 0 ||
        !base64_decode(line.text + strlen(MAC_MARK) + 1, line.length - strlen(MAC_MARK) - 1, header->mac,
                       sizeof header->mac)) {
        age_header_free(header);
        return damaged(error, "its last line");
    }
    return 0;
}

void age_header_free(struct age_header *header)
{
    free(header->stanzas);
    *header = (struct age_header){0};
}
