#include "package/package_refuse.h"

#include <string.h>
#include <sys/stat.h>

#include "tree/path.h"

#define TREE_SIZE_MAX ((uint64_t)1 << 50)
#define MTIME_LIMIT ((int64_t)1 << 33) /* eleven octal digits */
#define NAME_ROOM 512

static size_t depth_of(const char *path)
{
    size_t depth = 0;
    for (const char *at = path; *at != '\0'; at++) {
        depth += *at == '/';
    }
    return depth;
}

/* Counting ".." against names in the target would not do: a name may itself be a link to somewhere deeper or higher. In front
 * they climb real folders only, since nothing in a package lies below a link. */
bool refuse_link_is_inside(const char *path, const char *target)
{
    size_t climbs = 0;
    bool named = false;
    if (target[0] == '\0' || target[0] == '/') {
        return false;
    }
    for (const char *at = target; *at != '\0';) {
        size_t length = strcspn(at, "/");
        bool parent = length == 2 && at[0] == '.' && at[1] == '.';
        bool nothing = length == 0 || (length == 1 && at[0] == '.');
        if (parent && named) {
            return false;
        }
        climbs += parent;
        named = named || (!parent && !nothing);
        at += length + (at[length] == '/');
    }
    return climbs <= depth_of(path);
}

static int unsafe(struct error *error, const char *what, const char *path, const char *why)
{
    return error_set(error, CSN_PACKAGE_UNSAFE, "%s: \"%s\" %s", what, path, why);
}

static int content(struct error *error, const char *what, const char *path, const char *why)
{
    return error_set(error, CSN_PACKAGE_CONTENT, "%s: \"%s\" %s", what, path, why);
}

static bool lacks_digest(const struct tree_entry *entry)
{
    return entry->type == TREE_FILE && (!entry->has_digest || (entry->known & TREE_ASPECT_CONTENT) == 0);
}

int refuse_old_manifest(const struct tree_manifest *manifest, const char *what, enum error_code code,
                        struct error *error)
{
    for (size_t i = 0; i < manifest->count; i++) {
        if (lacks_digest(&manifest->entries[i])) {
            return error_set(error, code, "%s: \"%s\" has no size or no SHA-256", what, manifest->entries[i].path);
        }
    }
    return 0;
}

static int check_entry(const struct tree_entry *entry, const char *what, struct error *error)
{
    switch (entry->type) {
    case TREE_FILE:
        if (lacks_digest(entry)) {
            return content(error, what, entry->path, "has no size or no SHA-256");
        }
        break;
    case TREE_LINK:
        if (entry->link_target == NULL || !refuse_link_is_inside(entry->path, entry->link_target)) {
            return error_set(error, CSN_PACKAGE_UNSAFE, "%s: the link \"%s\" leads out of the tree: %s", what,
                             entry->path, entry->link_target == NULL ? "" : entry->link_target);
        }
        break;
    case TREE_FOLDER: break;
    case TREE_FIFO:
    case TREE_SOCKET:
    case TREE_CHARACTER:
    case TREE_BLOCK:
        return error_set(error, CSN_PACKAGE_UNSAFE,
                         "%s: \"%s\" is a %s; a package holds only files, folders and symbolic links", what,
                         entry->path, tree_type_name(entry->type));
    }
    if (entry->type != TREE_LINK && (entry->known & TREE_ASPECT_MODE) == 0) {
        return content(error, what, entry->path, "has no mode");
    }
    if ((entry->known & TREE_ASPECT_MTIME) == 0 || entry->mtime_nsec != 0 || entry->mtime_sec < 0 ||
        entry->mtime_sec >= MTIME_LIMIT) {
        return content(error, what, entry->path, "has no time in whole seconds after 1970");
    }
    return 0;
}

/* The entry of the folder that holds path, or NULL. *parent is a buffer, reused. */
static const struct tree_entry *find_parent(const struct tree_manifest *manifest, const char *path,
                                            struct buffer *parent)
{
    const char *slash = strrchr(path, '/');
    buffer_clear(parent);
    buffer_append(parent, path, slash == NULL ? 0 : (size_t)(slash - path));
    return parent->failed ? NULL : tree_manifest_find(manifest, buffer_text(parent));
}

int refuse_manifest(const struct tree_manifest *manifest, const char *what, struct error *error)
{
    if (manifest->count == 0 || manifest->entries[0].path[0] != '\0' || manifest->entries[0].type != TREE_FOLDER) {
        return error_set(error, CSN_PACKAGE_CONTENT, "%s does not begin with its top folder", what);
    }
    struct buffer parent_path = {0};
    const struct tree_entry *parent = NULL;
    int result = 0;
    uint64_t total_bytes = 0;
    for (size_t i = 0; result == 0 && i < manifest->count; i++) {
        const struct tree_entry *entry = &manifest->entries[i];
        result = !tree_path_is_sound(entry->path) ? unsafe(error, what, entry->path, "is absolute or climbs with ..")
                                                  : check_entry(entry, what, error);
        if (result == 0 && i > 0) {
            parent = find_parent(manifest, entry->path, &parent_path);
            result = buffer_check(&parent_path, error);
        }
        if (result == 0 && i > 0 && (parent == NULL || parent->type != TREE_FOLDER)) {
            result = unsafe(error, what, entry->path,
                            parent == NULL ? "lies in a folder that is not there" : "lies below what is no folder");
        }
        total_bytes += entry->type == TREE_FILE ? entry->size_bytes : 0;
        if (result == 0 && (entry->size_bytes > TREE_SIZE_MAX || total_bytes > TREE_SIZE_MAX)) {
            result = content(error, what, entry->path, "is larger than any disk");
        }
    }
    buffer_free(&parent_path);
    return result;
}

/* The value of key ("path=") among pax records, else the ustar field that is in name already. */
static void take_record(const char *records, const char *key, char name[NAME_ROOM])
{
    const char *at = strstr(records, key);
    while (at != NULL && (at == records || at[-1] != ' ')) { /* "linkpath=" ends like "path=" */
        at = strstr(at + 1, key);
    }
    if (at != NULL) {
        at += strlen(key);
        size_t length = strcspn(at, "\n");
        length = length < NAME_ROOM - 1 ? length : NAME_ROOM - 1;
        memcpy(name, at, length);
        name[length] = '\0';
    }
}

static bool is_zero(const char block[TAR_BLOCK])
{
    return block[0] == '\0' && memcmp(block, block + 1, TAR_BLOCK - 1) == 0;
}

static bool climbs(const char *name)
{
    for (const char *at = name; *at != '\0';) {
        size_t length = strcspn(at, "/");
        if (length == 2 && at[0] == '.' && at[1] == '.') {
            return true;
        }
        at += length + (at[length] == '/');
    }
    return false;
}

static const char *unsafe_type(char type)
{
    switch (type) {
    case '1': return "is a hard link; a package holds only files, folders and symbolic links";
    case '3':
    case '4': return "is a device node; a package holds only files, folders and symbolic links";
    case '6': return "is a named pipe; a package holds only files, folders and symbolic links";
    case '0':
    case '2':
    case '5': return NULL;
    default: return "is of a kind that no package holds";
    }
}

/* The payload's name is one that the manifest has, or not: which of the two does the other lack? */
static int refuse_order(const struct tree_manifest *manifest, size_t at, const char *name, struct error *error)
{
    const struct tree_entry *found = tree_manifest_find(manifest, name);
    const char *expected = at < manifest->count ? manifest->entries[at].path : "";
    if (found == NULL) {
        return content(error, "the payload", name, "is not in the manifest");
    }
    size_t index = (size_t)(found - manifest->entries);
    if (index < at) {
        return content(error, "the payload", name, "comes a second time");
    }
    if (index > at) {
        return content(error, "the payload", expected, "is in the manifest and not here");
    }
    return content(error, "the payload", name, "has not the type, size, mode, owner, time or target of the manifest");
}

int refuse_block(const struct tree_manifest *manifest, size_t at, const char block[TAR_BLOCK], const char *records,
                 struct error *error)
{
    static const char what[] = "the payload";
    char name[NAME_ROOM];
    char target[NAME_ROOM];
    unsigned mode = 0;
    uint64_t size_bytes = 0;
    char type = tar_peek(block, name, target, sizeof name, &mode, &size_bytes);
    if (is_zero(block)) {
        return content(error, what, at < manifest->count ? manifest->entries[at].path : "",
                       "is in the manifest and not here");
    }
    if (type == '\0') {
        return error_set(error, CSN_PACKAGE_CONTENT, "the payload is not a tar where \"%s\" should be",
                         at < manifest->count ? manifest->entries[at].path : "its end");
    }
    take_record(records, "path=", name);
    take_record(records, "linkpath=", target);
    if (name[0] == '/') {
        return unsafe(error, what, name, "is an absolute name");
    }
    if (climbs(name)) {
        return unsafe(error, what, name, "climbs with ..");
    }
    size_t length = strlen(name);
    if (length > 0 && name[length - 1] == '/') {
        name[length - 1] = '\0';
    }
    if (unsafe_type(type) != NULL) {
        return unsafe(error, what, name, unsafe_type(type));
    }
    if (type == '2' && !refuse_link_is_inside(name, target)) {
        return error_set(error, CSN_PACKAGE_UNSAFE, "the payload: the link \"%s\" leads out of the tree: %s", name,
                         target);
    }
    struct buffer parent_path = {0};
    const struct tree_entry *parent = find_parent(manifest, name, &parent_path);
    buffer_free(&parent_path);
    if (parent != NULL && parent->type != TREE_FOLDER) {
        return unsafe(error, what, name, "lies below what is no folder");
    }
    const struct tree_entry *signed_entry = tree_manifest_find(manifest, name);
    if ((mode & (S_ISUID | S_ISGID)) != 0 &&
        (signed_entry == NULL || (mode & ~signed_entry->mode & (S_ISUID | S_ISGID)) != 0)) {
        return unsafe(error, what, name, "is set-user-id or set-group-id, which the manifest does not have");
    }
    return refuse_order(manifest, at, name, error);
}
