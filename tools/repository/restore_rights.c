#include "repository/restore_rights.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

int restore_rights_open(struct restore_rights *rights, int fd, bool has_owners, struct error *error)
{
    struct stat status;
    *rights = (struct restore_rights){.fd = fd, .has_owners = has_owners, .is_root = geteuid() == 0};
    if (fstat(fd, &status) != 0) {
        return error_system(error, CSN_IO, "asking for the folder to restore into");
    }
    rights->uid = has_owners ? geteuid() : status.st_uid;
    rights->gid = has_owners ? getegid() : status.st_gid;
    return 0;
}

void restore_rights_close(struct restore_rights *rights)
{
    for (size_t i = 0; i < RIGHT_COUNT; i++) {
        free(rights->first[i]);
        rights->first[i] = NULL;
    }
}

static bool is_member(gid_t gid)
{
    gid_t groups[1024];
    int count = getgroups(1024, groups);
    for (int i = 0; i < count; i++) {
        if (groups[i] == gid) {
            return true;
        }
    }
    return false;
}

static bool keeps_owner(const struct restore_rights *rights, const struct tree_entry *entry)
{
    bool same_group = entry->gid == rights->gid || (rights->has_owners && is_member(entry->gid));
    return (rights->has_owners && rights->is_root) || (entry->uid == rights->uid && same_group);
}

static bool keeps_xattrs(const struct restore_rights *rights, const struct tree_entry *entry)
{
    for (size_t i = 0; i < entry->xattr_count; i++) {
        const char *name = entry->xattrs[i].name;
        bool needs_root = strncmp(name, "trusted.", 8) == 0 || strncmp(name, "security.", 9) == 0;
        if ((needs_root && !rights->is_root) || (fgetxattr(rights->fd, name, NULL, 0) < 0 && errno == EOPNOTSUPP)) {
            return false;
        }
    }
    return true;
}

static int refuse(struct restore_rights *rights, enum right right, const struct tree_entry *entry, struct error *error)
{
    rights->count[right]++;
    if (rights->first[right] == NULL && (rights->first[right] = strdup(entry->path)) == NULL) {
        return error_set(error, CSN_MEMORY, "no memory for planning");
    }
    return 0;
}

int restore_rights_add(struct restore_rights *rights, const struct tree_entry *entry, struct error *error)
{
    bool is_device = entry->type == TREE_CHARACTER || entry->type == TREE_BLOCK;
    if (is_device && !rights->is_root) {
        return refuse(rights, RIGHT_DEVICE, entry, error);
    }
    if (!keeps_owner(rights, entry) && refuse(rights, RIGHT_OWNER, entry, error) != 0) {
        return -1;
    }
    return keeps_xattrs(rights, entry) ? 0 : refuse(rights, RIGHT_XATTR, entry, error);
}

const char *restore_rights_name(enum right right)
{
    static const char *const names[] = {
        [RIGHT_OWNER] = "its owner cannot be kept",
        [RIGHT_XATTR] = "an attribute of it (ACL, capability, xattr) cannot be kept",
        [RIGHT_DEVICE] = "a device cannot be made without root",
    };
    return names[right];
}
