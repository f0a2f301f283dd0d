#include "caisson/tags.h"

#include <stdlib.h>
#include <string.h>

int tags_take(const struct options *options, struct repository_tag **tags, struct error *error)
{
    const struct strings *list = options_list(options, "tag");
    struct repository_tag *made = calloc(list->count + 1, sizeof *made);
    *tags = made;
    if (made == NULL) {
        return error_set(error, CSN_MEMORY, "no memory for %zu tags", list->count);
    }
    for (size_t i = 0; i < list->count; i++) {
        char *equals = strchr(list->items[i], '=');
        if (equals == NULL || equals == list->items[i]) {
            return error_set(error, CSN_USAGE, "--tag %s is not KEY=VALUE", list->items[i]);
        }
        *equals = '\0';
        made[i] = (struct repository_tag){.key = list->items[i], .value = equals + 1};
        for (size_t k = 0; k < i; k++) {
            if (strcmp(made[k].key, made[i].key) == 0) {
                return error_set(error, CSN_USAGE, "the tag %s is given twice", made[i].key);
            }
        }
    }
    return 0;
}
