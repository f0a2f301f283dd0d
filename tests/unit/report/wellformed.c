#include "report/wellformed.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "lib/text.h"

#define DEPTH 64
#define NAME 16

struct checker {
    const char *text;
    const char *at;
    char *why;
    size_t why_size;
    char open[DEPTH][NAME];
    size_t depth;
};

static bool complain(struct checker *checker, const char *what)
{
    snprintf(checker->why, checker->why_size, "%s at byte %zu: %.60s", what, (size_t)(checker->at - checker->text),
             checker->at);
    return false;
}

static bool check_entity(struct checker *checker)
{
    static const char *const known[] = {"&lt;", "&gt;", "&amp;", "&quot;", "&#39;"};
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
        if (strncmp(checker->at, known[i], strlen(known[i])) == 0) {
            checker->at += strlen(known[i]);
            return true;
        }
    }
    return complain(checker, "an entity that is not known");
}

static bool take_name(struct checker *checker, char name[NAME])
{
    size_t length = 0;
    while (isalnum((unsigned char)checker->at[length])) {
        length++;
    }
    if (length == 0 || length >= NAME) {
        return complain(checker, "a tag without a name");
    }
    memcpy(name, checker->at, length);
    name[length] = '\0';
    checker->at += length;
    return true;
}

static bool check_id(struct checker *checker, const char *value)
{
    char again[96];
    size_t length = strcspn(value, "\"");
    if (length == 0 || length > 64) {
        return complain(checker, "a bad id");
    }
    snprintf(again, sizeof again, " id=\"%.*s\"", (int)length, value);
    return strstr(value, again) == NULL ? true : complain(checker, "an id that comes twice");
}

/* An attribute that would load, send or run something. */
static bool check_harmless(struct checker *checker, const char *name, size_t length, const char *value)
{
    static const char *const known[] = {"lang",    "charset", "http-equiv", "content",    "name",
                                        "rel",     "type",    "id",         "aria-label", "aria-hidden",
                                        "checked", "class",   "for",        "href",       "preserveAspectRatio",
                                        "viewBox", "x",       "y",          "width",      "height"};
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
        if (strlen(known[i]) == length && memcmp(known[i], name, length) == 0) {
            bool inside = value[0] == '#' || strncmp(value, "data:,\"", 7) == 0;
            return strcmp(known[i], "href") != 0 || inside ? true
                                                           : complain(checker, "a link that leads out of the page");
        }
    }
    return complain(checker, "an attribute that has no business here");
}

static bool check_element(struct checker *checker, const char *name)
{
    static const char *const known[] = {
        "html",    "head", "meta", "title", "style", "link",    "body",    "input", "header", "main",  "footer",
        "section", "h1",   "h2",   "h3",    "p",     "b",       "a",       "ul",    "ol",     "li",    "dl",
        "dt",      "dd",   "div",  "span",  "bdi",   "br",      "code",    "pre",   "table",  "thead", "tbody",
        "tr",      "th",   "td",   "svg",   "rect",  "details", "summary", "label"};
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
        if (strcmp(known[i], name) == 0) {
            const char *end = strcmp(name, "style") == 0 ? strstr(checker->at, "</style>") : NULL;
            const char *address = end == NULL ? NULL : strstr(checker->at, "url(");
            const char *import = end == NULL ? NULL : strstr(checker->at, "@import");
            bool loads = (address != NULL && address < end) || (import != NULL && import < end);
            return loads ? complain(checker, "a style that loads something") : true;
        }
    }
    return complain(checker, "an element that has no business here");
}

/* name="value" … up to '>' or '/>'. */
static bool check_attributes(struct checker *checker, bool *empty)
{
    while (*checker->at == ' ') {
        checker->at++;
        if (checker->at[0] == '/') {
            break;
        }
        const char *name = checker->at;
        while (islower((unsigned char)*checker->at) || *checker->at == '-' || *checker->at == 'B' ||
               *checker->at == 'A' || *checker->at == 'R' || isdigit((unsigned char)*checker->at)) {
            checker->at++;
        }
        if (checker->at == name || strncmp(checker->at, "=\"", 2) != 0) {
            return complain(checker, "an attribute without a quoted value");
        }
        if (!check_harmless(checker, name, (size_t)(checker->at - name), checker->at + 2)) {
            return false;
        }
        checker->at += 2;
        if (strncmp(name, "id=", 3) == 0 && !check_id(checker, checker->at)) {
            return false;
        }
        while (*checker->at != '"') {
            if (*checker->at == '\0' || *checker->at == '<') {
                return complain(checker, "an attribute that does not end");
            }
            if (*checker->at == '&' ? !check_entity(checker) : (checker->at++, false)) {
                return false;
            }
        }
        checker->at++;
    }
    *empty = checker->at[0] == '/';
    checker->at += *empty;
    return *checker->at++ == '>' ? true : complain(checker, "a tag that does not end");
}

static bool check_tag(struct checker *checker)
{
    char name[NAME];
    bool empty;
    checker->at++;
    if (*checker->at == '/') {
        checker->at++;
        if (!take_name(checker, name) || *checker->at++ != '>') {
            return complain(checker, "a bad end tag");
        }
        if (checker->depth == 0 || strcmp(checker->open[checker->depth - 1], name) != 0) {
            return complain(checker, "an end tag that closes nothing");
        }
        checker->depth--;
        return true;
    }
    if (!take_name(checker, name) || !check_element(checker, name) || !check_attributes(checker, &empty)) {
        return false;
    }
    if (!empty) {
        if (checker->depth == DEPTH) {
            return complain(checker, "too deep");
        }
        memcpy(checker->open[checker->depth++], name, NAME);
    }
    return true;
}

bool is_wellformed(const char *text, size_t size, char *why, size_t why_size)
{
    static const char doctype[] = "<!DOCTYPE html>\n";
    struct checker checker = {.text = text, .at = text, .why = why, .why_size = why_size};
    if (strlen(text) != size || !utf8_is_valid(text, size) || strncmp(text, doctype, strlen(doctype)) != 0) {
        return complain(&checker, "not UTF-8 with a doctype");
    }
    checker.at += strlen(doctype);
    while (*checker.at != '\0') {
        unsigned char byte = (unsigned char)*checker.at;
        if (byte == '<' ? !check_tag(&checker) : byte == '&' ? !check_entity(&checker) : false) {
            return false;
        }
        if (byte == '<' || byte == '&') {
            continue;
        }
        if ((byte < 0x20 && byte != '\n') || byte == 0x7F) {
            return complain(&checker, "a control character");
        }
        if (checker.depth == 0 && byte != '\n') {
            return complain(&checker, "text outside of all tags");
        }
        checker.at++;
    }
    return checker.depth == 0 ? true : complain(&checker, "tags that are not closed");
}
