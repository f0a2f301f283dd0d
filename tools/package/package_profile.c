/*
 * package_profile.c - the profile that a package may bring: it parses, and is the one of the package's application.
 */
#include <string.h>

#include "package/package_index.h"

int package_profile_parse(const struct package *index, const char *name, const struct buffer *text,
                          struct profile *profile, struct error *error)
{
    if (profile_parse(profile, name, buffer_text(text), text->size, error) != 0) {
        return -1;
    }
    if (strcmp(profile->name, index->application) == 0) {
        return 0;
    }
    error_set(error, CSN_PACKAGE_INPUT, "%s is the profile of %s, and [package] application is %s", name, profile->name,
              index->application);
    profile_free(profile);
    return -1;
}

int package_profile_read(const struct package *package, struct profile *profile, struct error *error)
{
    struct buffer name = {0};
    struct buffer text = {0};
    *profile = (struct profile){0};
    if (package_member_find(package, PACKAGE_PROFILE_NAME) == NULL) {
        return 0;
    }
    buffer_format(&name, "%s in %s", PACKAGE_PROFILE_NAME, package->path);
    int result = buffer_check(&name, error);
    if (result == 0) {
        result = package_member_read(package, PACKAGE_PROFILE_NAME, PACKAGE_PROFILE_LIMIT, &text, error);
    }
    if (result == 0 && package_profile_parse(package, name.data, &text, profile, error) != 0) {
        result = -1;
        if (error != NULL && error->code != CSN_MEMORY) {
            error->code = CSN_PACKAGE_CONTENT; /* it is signed: the vendor's to mend */
        }
    }
    buffer_free(&name);
    buffer_free(&text);
    return result;
}
