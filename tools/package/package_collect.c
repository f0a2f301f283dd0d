#include "package/package_collect.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <zstd.h>

#include "lib/file.h"
#include "lib/root.h"
#include "package/package_index.h"
#include "package/package_member.h"
#include "package/package_refuse.h"
#include "package/package_version.h"
#include "target/identify.h"

#define MANIFEST_LEVEL 12
#define MANIFEST_FILE_LIMIT ((size_t)1 << 30)
#define MANIFEST_ENTRIES_LIMIT ((size_t)8 << 20)
/* Times of the vendor's old tree say nothing about a server's, so only the new one has them. */
#define ASPECTS_OLD (TREE_ASPECT_TYPE | TREE_ASPECT_CONTENT | TREE_ASPECT_TARGET | TREE_ASPECT_MODE)
#define ASPECTS_NEW (ASPECTS_OLD | TREE_ASPECT_MTIME)

static int wrong_input(struct error *error, const char *folder, const char *path, const char *why)
{
    return error_set(error, CSN_PACKAGE_INPUT, "%s/%s: %s", folder, path, why);
}

static int open_folder(const char *path, const char *what, struct error *error)
{
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return fd >= 0 ? fd : error_system(error, CSN_PACKAGE_INPUT, "opening %s %s", what, path);
}

/* Room for one more; zeroed. */
static struct package_source *add_source(struct package_collection *collection, const char *name, struct error *error)
{
    if (collection->count == collection->allocated) {
        size_t wanted = collection->allocated == 0 ? 32 : collection->allocated * 2;
        struct package_source *grown = realloc(collection->sources, wanted * sizeof *grown);
        if (grown == NULL) {
            error_set(error, CSN_MEMORY, "no memory for the list of members");
            return NULL;
        }
        collection->sources = grown;
        collection->allocated = wanted;
    }
    if (strlen(name) >= PACKAGE_MEMBER_NAME_SIZE) {
        error_set(error, CSN_PACKAGE_INPUT, "the name %s is too long", name);
        return NULL;
    }
    struct package_source *source = &collection->sources[collection->count++];
    *source = (struct package_source){0};
    strcpy(source->name, name);
    return source;
}

int package_collect_content(struct package_collection *collection, const char *name, struct buffer *content,
                            struct error *error)
{
    struct package_source *source = buffer_check(content, error) != 0 ? NULL : add_source(collection, name, error);
    if (source == NULL) {
        buffer_free(content);
        return -1;
    }
    source->from = SOURCE_CONTENT;
    source->content = *content;
    source->size_bytes = content->size;
    sha256_of(buffer_text(&source->content), source->content.size, source->sha256);
    *content = (struct buffer){0};
    return 0;
}

static bool is_member_folder(const char *path)
{
    return path[0] == '\0' || strcmp(path, "migrations") == 0 || strcmp(path, "checks") == 0 ||
           strcmp(path, "notes") == 0;
}

static int add_input_file(struct package_collection *collection, const char *folder, const struct tree_entry *entry,
                          struct error *error)
{
    if (entry->type == TREE_FOLDER && is_member_folder(entry->path)) {
        return 0;
    }
    if (entry->type != TREE_FILE) {
        return wrong_input(error, folder, entry->path,
                           "neither a file nor one of the folders migrations, checks and notes");
    }
    if (strcmp(entry->path, PACKAGE_INDEX_NAME) == 0) {
        return 0;
    }
    bool generated = strcmp(entry->path, PACKAGE_CHAIN_NAME) == 0 || strcmp(entry->path, PACKAGE_PAYLOAD_NAME) == 0 ||
                     strncmp(entry->path, "manifests/", 10) == 0;
    if (generated || package_member_rank(entry->path) < 0) {
        return wrong_input(error, folder, entry->path,
                           "no such file belongs in the folder to pack, or its name is not allowed");
    }
    struct package_source *source = add_source(collection, entry->path, error);
    if (source == NULL) {
        return -1;
    }
    source->from = SOURCE_INPUT;
    source->size_bytes = entry->size_bytes;
    memcpy(source->sha256, entry->digest, SHA256_SIZE);
    return 0;
}

static int check_input_names(const struct package_collection *collection, const char *folder, struct error *error)
{
    struct strings names = {0};
    int result = 0;
    for (size_t i = 0; result == 0 && i < collection->count; i++) {
        result = strings_add(&names, collection->sources[i].name, error);
    }
    if (result == 0) {
        result = package_names_check(&collection->index, &names, folder, CSN_PACKAGE_INPUT, error);
    }
    strings_free(&names);
    return result;
}

static int collect_profile(struct package_collection *collection, const char *folder, struct error *error)
{
    struct buffer name = {0};
    struct buffer text = {0};
    bool found = false;
    for (size_t i = 0; i < collection->count; i++) {
        found = found || strcmp(collection->sources[i].name, PACKAGE_PROFILE_NAME) == 0;
    }
    buffer_format(&name, "%s/%s", folder, PACKAGE_PROFILE_NAME);
    int result = buffer_check(&name, error);
    if (result == 0 && found) {
        result = file_read(collection->input_fd, PACKAGE_PROFILE_NAME, PACKAGE_PROFILE_LIMIT, &text, error);
    }
    if (result == 0 && found) {
        result = package_profile_parse(&collection->index, name.data, &text, &collection->profile, error);
    }
    buffer_free(&name);
    buffer_free(&text);
    return result;
}

static int collect_input(struct package_collection *collection, const struct package_build *build, struct error *error)
{
    struct tree_manifest files = {0};
    struct buffer name = {0};
    const struct tree_scan_options options = {.want_digests = true};
    int result = -1;
    collection->input_fd = open_folder(build->input, "the folder to pack", error);
    buffer_format(&name, "%s/%s", build->input, PACKAGE_INDEX_NAME);
    if (collection->input_fd < 0 || buffer_check(&name, error) != 0) {
        goto out;
    }
    if (file_read(collection->input_fd, PACKAGE_INDEX_NAME, PACKAGE_INDEX_LIMIT, &collection->index_text, error) != 0) {
        if (error != NULL && error->code == CSN_NOT_FOUND) {
            wrong_input(error, build->input, PACKAGE_INDEX_NAME, "this file is missing");
        }
        goto out;
    }
    if (package_index_parse(&collection->index, PACKAGE_INDEX_INPUT, name.data, buffer_text(&collection->index_text),
                            collection->index_text.size, error) != 0 ||
        tree_manifest_scan(&files, collection->input_fd, ".", &options, NULL, error) != 0) {
        goto out;
    }
    for (size_t i = 0; i < files.count; i++) {
        if (add_input_file(collection, build->input, &files.entries[i], error) != 0) {
            goto out;
        }
    }
    result = package_collect_flyway(collection, build, name.data, error);
    if (result == 0) {
        result = check_input_names(collection, build->input, error);
    }
    if (result == 0) {
        result = package_collect_check_sql(collection, build->input, error);
    }
    if (result == 0) {
        result = collect_profile(collection, build->input, error);
    }
out:
    tree_manifest_free(&files);
    buffer_free(&name);
    return result;
}

static int collect_chain(struct package_collection *collection, const struct package_build *build, struct error *error)
{
    if (build->chain == NULL) {
        return 0;
    }
    struct buffer content = {0};
    if (file_read(AT_FDCWD, build->chain, PACKAGE_CHAIN_LIMIT, &content, error) != 0) {
        buffer_free(&content);
        return -1;
    }
    /* A file with key and certificates in one is common, and would go out to every server. */
    if (strstr(buffer_text(&content), "PRIVATE KEY") != NULL ||
        strstr(buffer_text(&content), "BEGIN CERTIFICATE") == NULL) {
        buffer_free(&content);
        return error_set(error, CSN_PACKAGE_SIGNING, "%s holds a private key, or no certificate in PEM", build->chain);
    }
    return package_collect_content(collection, PACKAGE_CHAIN_NAME, &content, error);
}

/* The manifest as mtree, one zstd frame. */
static int add_manifest(struct package_collection *collection, const char *name, struct tree_manifest *manifest,
                        unsigned aspects, struct error *error)
{
    struct buffer text = {0};
    struct buffer packed = {0};
    int result = tree_manifest_write(manifest, aspects, &text, error);
    if (result == 0) {
        size_t bound = ZSTD_compressBound(text.size);
        char *room = buffer_reserve(&packed, bound);
        size_t got = room == NULL ? 0 : ZSTD_compress(room, bound, buffer_text(&text), text.size, MANIFEST_LEVEL);
        if (room == NULL || ZSTD_isError(got)) {
            result = error_set(error, CSN_MEMORY, "no memory to compress %s", name);
        } else {
            packed.size = got;
        }
    }
    buffer_free(&text);
    if (result != 0) {
        buffer_free(&packed);
        return -1;
    }
    return package_collect_content(collection, name, &packed, error);
}

static int read_manifest_file(struct tree_manifest *manifest, const char *path, struct error *error)
{
    struct buffer content = {0};
    int result = file_read(AT_FDCWD, path, MANIFEST_FILE_LIMIT, &content, error);
    if (result == 0) {
        result = tree_manifest_read(manifest, path, buffer_text(&content), content.size, MANIFEST_ENTRIES_LIMIT, error);
    }
    if (result == 0) {
        result = refuse_old_manifest(manifest, path, CSN_PACKAGE_INPUT, error);
    }
    buffer_free(&content);
    return result;
}

static int read_old(struct tree_manifest *manifest, const char *path, const struct progress *progress,
                    struct error *error)
{
    struct stat status;
    if (stat(path, &status) != 0) {
        return error_system(error, CSN_PACKAGE_INPUT, "the old tree %s", path);
    }
    if (!S_ISDIR(status.st_mode)) {
        return read_manifest_file(manifest, path, error);
    }
    const struct tree_scan_options options = {.want_digests = true};
    int fd = open_folder(path, "the old tree", error);
    int result = fd < 0 ? -1 : tree_manifest_scan(manifest, fd, ".", &options, progress, error);
    file_drop(&fd);
    return result;
}

static bool fits_from(const struct package *index, const char *version)
{
    return package_check_version(index, version, NULL) == 0;
}

/* "VERSION=PATH" */
static int collect_old(struct package_collection *collection, const char *given, const struct progress *progress,
                       struct error *error)
{
    char version[64];
    char name[PACKAGE_MEMBER_NAME_SIZE];
    const char *equals = strchr(given, '=');
    size_t length = equals == NULL ? 0 : (size_t)(equals - given);
    if (length == 0 || length >= sizeof version || equals[1] == '\0') {
        return error_set(error, CSN_USAGE, "--old %s is not VERSION=FOLDER or VERSION=MANIFEST", given);
    }
    memcpy(version, given, length);
    version[length] = '\0';
    if (!package_version_is_valid(version)) {
        return error_set(error, CSN_USAGE, "--old %s: \"%s\" is not a version", given, version);
    }
    if (!fits_from(&collection->index, version)) {
        return error_set(error, CSN_PACKAGE_INPUT,
                         "--old %s: the package does not upgrade from %s, says [package] from", given, version);
    }
    snprintf(name, sizeof name, "manifests/old-%s.mtree.zst", version);
    for (size_t i = 0; i < collection->count; i++) {
        if (strcmp(collection->sources[i].name, name) == 0) {
            return error_set(error, CSN_USAGE, "--old is given twice for %s", version);
        }
    }
    struct tree_manifest manifest = {0};
    int result = read_old(&manifest, equals + 1, progress, error);
    if (result == 0) {
        result = add_manifest(collection, name, &manifest, ASPECTS_OLD, error);
    }
    tree_manifest_free(&manifest);
    return result;
}

/* Without the vendor's old tree nobody can tell a site's change from a vendor's file. */
static int check_old(const struct package_collection *collection, const struct strings *old, struct error *error)
{
    const struct strings *from = &collection->index.from;
    for (size_t i = 0; i < from->count; i++) {
        bool found = false;
        for (size_t k = 0; !found && k < old->count; k++) {
            char version[64];
            snprintf(version, sizeof version, "%.*s", (int)strcspn(old->items[k], "="), old->items[k]);
            found = package_version_fits(version, from->items[i]);
        }
        if (!found) {
            return error_set(error, CSN_PACKAGE_INPUT,
                             "[package] from has %s, but no --old VERSION=... gives a vendor's tree of it",
                             from->items[i]);
        }
    }
    return 0;
}

static const char *lost_attribute(const struct tree_entry *entry)
{
    for (size_t i = 0; i < entry->xattr_count; i++) {
        const char *name = entry->xattrs[i].name;
        if (strcmp(name, "security.capability") == 0 || strncmp(name, "system.posix_acl_", 17) == 0) {
            return name;
        }
    }
    return NULL;
}

/* What a package carries of a file: whole seconds, no owner, no attributes. */
static int reduce(struct tree_manifest *manifest, struct error *error)
{
    for (size_t i = 0; i < manifest->count; i++) {
        struct tree_entry *entry = &manifest->entries[i];
        const char *lost = lost_attribute(entry);
        if (lost != NULL) {
            return error_set(error, CSN_PACKAGE_UNSAFE,
                             "the new tree: \"%s\" has the attribute %s, which a package does not carry", entry->path,
                             lost);
        }
        entry->mtime_nsec = 0;
        entry->mtime_sec = entry->mtime_sec < 0 ? 0 : entry->mtime_sec;
        entry->known &= ASPECTS_NEW;
    }
    return 0;
}

/* What the new tree says of itself, as a server will read it by the profile that goes with it. */
static int check_new(const struct package_collection *collection, const char *folder, struct error *error)
{
    const struct profile *profile = &collection->profile;
    const char *promised = collection->index.version;
    char *version = NULL;
    if (collection->tree.count < 2) {
        return error_set(error, CSN_PACKAGE_INPUT, "the new tree %s is empty", folder);
    }
    if (profile->name == NULL || !root_exists(collection->tree_fd, profile->version_file)) {
        return 0;
    }
    if (target_read_version(collection->tree_fd, profile, "/", &version, error) != 0) {
        return error_wrap(error, "the new tree %s", folder);
    }
    int result =
        strcmp(version, promised) == 0
            ? 0
            : error_set(error, CSN_PACKAGE_INPUT, "the new tree %s is %s by its %s, and [package] version is %s",
                        folder, version, profile->version_file, promised);
    free(version);
    return result;
}

static int collect_new(struct package_collection *collection, const struct package_build *build, struct error *error)
{
    const struct tree_scan_options options = {.want_digests = true, .want_xattrs = true};
    collection->tree_fd = open_folder(build->new_tree, "the new tree", error);
    if (collection->tree_fd < 0 ||
        tree_manifest_scan(&collection->tree, collection->tree_fd, ".", &options, build->progress, error) != 0 ||
        check_new(collection, build->new_tree, error) != 0 || reduce(&collection->tree, error) != 0 ||
        refuse_manifest(&collection->tree, "the new tree", error) != 0) {
        return -1;
    }
    return add_manifest(collection, PACKAGE_MANIFEST_NEW, &collection->tree, ASPECTS_NEW, error);
}

static int compare_sources(const void *one, const void *other)
{
    const struct package_source *a = one;
    const struct package_source *b = other;
    int ranks = package_member_rank(a->name) - package_member_rank(b->name);
    return ranks != 0 ? ranks : strcmp(a->name, b->name);
}

int package_collect(struct package_collection *collection, const struct package_build *build, struct error *error)
{
    *collection = (struct package_collection){.input_fd = -1, .tree_fd = -1};
    if (collect_input(collection, build, error) != 0 || check_old(collection, build->old, error) != 0 ||
        collect_chain(collection, build, error) != 0) {
        return -1;
    }
    for (size_t i = 0; i < build->old->count; i++) {
        if (collect_old(collection, build->old->items[i], build->progress, error) != 0) {
            return -1;
        }
    }
    if (collect_new(collection, build, error) != 0) {
        return -1;
    }
    qsort(collection->sources, collection->count, sizeof *collection->sources, compare_sources);
    return 0;
}

int package_collect_payload(struct package_collection *collection, const uint8_t sha256[SHA256_SIZE],
                            uint64_t size_bytes, struct error *error)
{
    struct package_source *source = add_source(collection, PACKAGE_PAYLOAD_NAME, error);
    if (source == NULL) {
        return -1;
    }
    source->from = SOURCE_PAYLOAD;
    source->size_bytes = size_bytes;
    memcpy(source->sha256, sha256, SHA256_SIZE);
    return 0;
}

void package_collection_free(struct package_collection *collection)
{
    for (size_t i = 0; i < collection->count; i++) {
        buffer_free(&collection->sources[i].content);
    }
    free(collection->sources);
    tree_manifest_free(&collection->tree);
    buffer_free(&collection->index_text);
    package_index_free(&collection->index);
    profile_free(&collection->profile);
    file_drop(&collection->input_fd);
    file_drop(&collection->tree_fd);
}
