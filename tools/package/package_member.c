#include "package/package_member.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "package/package_index.h"
#include "package/package_tar.h"
#include "package/package_version.h"

#define FILE_NAME_MAX 64
#define MEMBER_SIZE_MAX ((uint64_t)1 << 50) /* keeps every sum below 2^63 */

static const char *const fixed_names[] = {
    PACKAGE_CHAIN_NAME,
    PACKAGE_PROFILE_NAME,
    PACKAGE_MANIFEST_NEW,
};
enum { RANK_OLD = 3, RANK_MIGRATIONS, RANK_CHECKS, RANK_NOTES, RANK_PAYLOAD };

static const char *const note_roles[] = {"administrator", "operator", "user"};
static const char *const note_languages[] = {"en", "zh"};

#define COUNT(table) (sizeof(table) / sizeof((table)[0]))

bool package_file_name_is_valid(const char *name)
{
    size_t length = strlen(name);
    return length > 0 && length <= FILE_NAME_MAX && name[0] != '.' && name[0] != '_' && name[0] != '-' &&
           strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789._-") == length;
}

static const char *after(const char *text, const char *prefix)
{
    size_t length = strlen(prefix);
    return strncmp(text, prefix, length) == 0 ? text + length : NULL;
}

static bool is_old_manifest(const char *name)
{
    const char *version = after(name, "manifests/old-");
    size_t tail = strlen(".mtree.zst");
    size_t length = version == NULL ? 0 : strlen(version);
    char copy[PACKAGE_MEMBER_NAME_SIZE];
    if (length <= tail || length >= sizeof copy || strcmp(version + length - tail, ".mtree.zst") != 0) {
        return false;
    }
    memcpy(copy, version, length - tail);
    copy[length - tail] = '\0';
    return package_version_is_valid(copy);
}

static bool is_note(const char *name)
{
    char known[PACKAGE_MEMBER_NAME_SIZE];
    for (size_t i = 0; i < COUNT(note_roles) * COUNT(note_languages); i++) {
        snprintf(known, sizeof known, "notes/%s.%s.md", note_roles[i / COUNT(note_languages)],
                 note_languages[i % COUNT(note_languages)]);
        if (strcmp(name, known) == 0) {
            return true;
        }
    }
    return false;
}

int package_member_rank(const char *name)
{
    for (size_t i = 0; i < COUNT(fixed_names); i++) {
        if (strcmp(name, fixed_names[i]) == 0) {
            return (int)i;
        }
    }
    if (is_old_manifest(name)) {
        return RANK_OLD;
    }
    const char *file = after(name, "migrations/");
    if (file != NULL && package_file_name_is_valid(file)) {
        return RANK_MIGRATIONS;
    }
    file = after(name, "checks/");
    if (file != NULL && package_file_name_is_valid(file)) {
        return RANK_CHECKS;
    }
    return is_note(name) ? RANK_NOTES : strcmp(name, PACKAGE_PAYLOAD_NAME) == 0 ? RANK_PAYLOAD : -1;
}

/* "HEX SIZE", in the one form that pack writes. */
static bool parse_member(struct package_member *member, const char *name, const char *value)
{
    char hex[2 * SHA256_SIZE + 1];
    if (strlen(name) >= sizeof member->name || strlen(value) < sizeof hex + 1 || value[sizeof hex - 1] != ' ') {
        return false;
    }
    memcpy(hex, value, sizeof hex - 1);
    hex[sizeof hex - 1] = '\0';
    const char *digits = value + sizeof hex;
    size_t length = strlen(digits);
    if (!hex_decode(hex, member->sha256, SHA256_SIZE) || strspn(hex, "0123456789abcdef") != sizeof hex - 1 ||
        length == 0 || length > 16 || strspn(digits, "0123456789") != length || (digits[0] == '0' && length > 1)) {
        return false;
    }
    strcpy(member->name, name);
    member->size_bytes = strtoull(digits, NULL, 10);
    return member->size_bytes <= MEMBER_SIZE_MAX;
}

static bool follows(const struct package_member *before, const struct package_member *member)
{
    int rank_before = package_member_rank(before->name);
    int rank = package_member_rank(member->name);
    return rank_before < rank || (rank_before == rank && strcmp(before->name, member->name) < 0);
}

static int check_members(const struct package *package, struct error *error)
{
    static const char *const needed[] = {PACKAGE_MANIFEST_NEW, PACKAGE_PAYLOAD_NAME};
    for (size_t i = 0; i < COUNT(needed); i++) {
        if (package_member_find(package, needed[i]) == NULL) {
            return error_set(error, CSN_PACKAGE_CONTENT, "%s: [members] lacks %s", package->ini.name, needed[i]);
        }
    }
    struct strings names = {0};
    int result = 0;
    for (size_t i = 0; result == 0 && i < package->members_count; i++) {
        result = strings_add(&names, package->members[i].name, error);
    }
    if (result == 0) {
        result = package_names_check(package, &names, package->ini.name, CSN_PACKAGE_CONTENT, error);
    }
    strings_free(&names);
    return result;
}

int package_members_read(struct package *package, struct error *error)
{
    const struct ini *ini = &package->ini;
    package->members = calloc(ini->count, sizeof *package->members);
    if (package->members == NULL) {
        return error_set(error, CSN_MEMORY, "no memory to read %s", ini->name);
    }
    for (size_t i = 0; i < ini->count; i++) {
        const struct ini_entry *entry = &ini->entries[i];
        if (strcmp(entry->section, "members") != 0) {
            continue;
        }
        struct package_member *member = &package->members[package->members_count];
        if (!parse_member(member, entry->key, entry->value)) {
            return error_set(error, CSN_PACKAGE_CONTENT,
                             "%s line %d: the member %s has not the form NAME = SHA-256 SIZE", ini->name, entry->line,
                             entry->key);
        }
        if (package_member_rank(member->name) < 0) {
            return error_set(error, CSN_PACKAGE_CONTENT, "%s line %d: no package has a member called %s", ini->name,
                             entry->line, entry->key);
        }
        if (package->members_count > 0 && !follows(member - 1, member)) {
            return error_set(error, CSN_PACKAGE_CONTENT, "%s line %d: the member %s is out of order", ini->name,
                             entry->line, entry->key);
        }
        package->members_count++;
    }
    return check_members(package, error);
}

static bool is_named(const struct package *package, const char *file)
{
    for (size_t i = 0; i < package->migrations_count; i++) {
        if (package->migrations[i].file != NULL && strcmp(package->migrations[i].file, file) == 0) {
            return true;
        }
    }
    for (size_t i = 0; i < package->checks_count; i++) {
        if (package->checks[i].file != NULL && strcmp(package->checks[i].file, file) == 0) {
            return true;
        }
    }
    return false;
}

static int check_notes(const struct strings *names, const char *what, enum error_code code, struct error *error)
{
    for (size_t role = 0; role < COUNT(note_roles); role++) {
        char english[64];
        char chinese[64];
        snprintf(english, sizeof english, "notes/%s.en.md", note_roles[role]);
        snprintf(chinese, sizeof chinese, "notes/%s.zh.md", note_roles[role]);
        bool has_english = strings_has(names, english);
        if (has_english != strings_has(names, chinese)) {
            return error_set(error, code, "%s lacks %s; a role's notes come in both languages", what,
                             has_english ? chinese : english);
        }
    }
    return 0;
}

int package_names_check(const struct package *package, const struct strings *names, const char *what,
                        enum error_code code, struct error *error)
{
    for (size_t i = 0; i < names->count; i++) {
        int rank = package_member_rank(names->items[i]);
        if ((rank == RANK_MIGRATIONS || rank == RANK_CHECKS) && !is_named(package, names->items[i])) {
            return error_set(error, code, "%s has the file %s, which no migration or check names", what,
                             names->items[i]);
        }
    }
    for (size_t i = 0; i < package->migrations_count; i++) {
        const char *file = package->migrations[i].file;
        if (file != NULL && !strings_has(names, file)) {
            return error_set(error, code, "%s lacks the file %s of [migration %s]", what, file,
                             package->migrations[i].name);
        }
    }
    for (size_t i = 0; i < package->checks_count; i++) {
        const char *file = package->checks[i].file;
        if (file != NULL && !strings_has(names, file)) {
            return error_set(error, code, "%s lacks the file %s of [check %s]", what, file, package->checks[i].name);
        }
    }
    return check_notes(names, what, code, error);
}

static uint64_t header_length(const char *name, uint64_t size_bytes)
{
    struct buffer header = {0};
    tar_member_header(&header, name, size_bytes);
    uint64_t length = header.size;
    buffer_free(&header);
    return length;
}

uint64_t package_layout(struct package *package, uint64_t index_bytes, uint64_t signature_bytes)
{
    uint64_t at =
        TAR_BLOCK + index_bytes + tar_padding(index_bytes) + TAR_BLOCK + signature_bytes + tar_padding(signature_bytes);
    for (size_t i = 0; i < package->members_count; i++) {
        struct package_member *member = &package->members[i];
        member->offset = at + header_length(member->name, member->size_bytes);
        at = member->offset + member->size_bytes + tar_padding(member->size_bytes);
    }
    return at + TAR_END;
}

const struct package_member *package_member_find(const struct package *package, const char *name)
{
    for (size_t i = 0; i < package->members_count; i++) {
        if (strcmp(package->members[i].name, name) == 0) {
            return &package->members[i];
        }
    }
    return NULL;
}

int package_pread(const struct package *package, void *data, size_t size_bytes, uint64_t offset, struct error *error)
{
    char *at = data;
    while (size_bytes > 0) {
        ssize_t got = pread(package->fd, at, size_bytes, (off_t)offset);
        if (got < 0 && errno == EINTR) {
            continue;
        }
        if (got < 0) {
            return error_system(error, CSN_IO, "reading the package %s", package->path);
        }
        if (got == 0) {
            return error_set(error, CSN_PACKAGE_OPEN, "the package %s is cut short at byte %llu", package->path,
                             (unsigned long long)offset);
        }
        at += got;
        offset += (uint64_t)got;
        size_bytes -= (size_t)got;
    }
    return 0;
}

int package_member_stream(const struct package *package, const struct package_member *member,
                          int (*take)(void *context, const void *data, size_t size_bytes, struct error *error),
                          void *context, struct error *error)
{
    const size_t room = (size_t)256 << 10;
    char *data = malloc(room);
    if (data == NULL) {
        return error_set(error, CSN_MEMORY, "no memory to read %s of %s", member->name, package->path);
    }
    struct sha256 hash;
    sha256_begin(&hash);
    int result = 0;
    for (uint64_t done = 0; result == 0 && done < member->size_bytes;) {
        uint64_t left = member->size_bytes - done;
        size_t now = left < room ? (size_t)left : room;
        result = package_pread(package, data, now, member->offset + done, error);
        if (result == 0) {
            sha256_add(&hash, data, now);
            result = take == NULL ? 0 : take(context, data, now, error);
        }
        done += now;
    }
    uint8_t digest[SHA256_SIZE];
    sha256_end(&hash, digest);
    if (result == 0 && memcmp(digest, member->sha256, sizeof digest) != 0) {
        result = error_set(error, CSN_PACKAGE_DAMAGED, "%s in %s is not what was signed", member->name, package->path);
    }
    free(data);
    return result;
}
