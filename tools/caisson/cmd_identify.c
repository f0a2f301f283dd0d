/*
 * cmd_identify.c - the disks of this machine and the application on them. Nothing is written anywhere.
 */
#include <stdio.h>
#include <string.h>

#include "caisson/commands.h"
#include "console/console.h"
#include "lib/json.h"
#include "lib/options.h"
#include "lib/screen.h"
#include "lib/text.h"
#include "target/identify.h"

#define PROFILES_FOLDER "/etc/caisson/profiles"

static void print_name(const char *indent, const char *name, uint64_t size_bytes)
{
    char size[CONSOLE_TEXT_SIZE];
    console_bytes(size, size_bytes);
    screen_put(stdout, "%s%-10s %s", indent, name, size);
}

static void print_fact(const char *name, const char *value)
{
    if (value != NULL && value[0] != '\0') {
        screen_put(stdout, "  %s%s%s", name, name[0] == '\0' ? "" : " ", value);
    }
}

static void print_volume(const struct disk_volume *volume)
{
    print_name("    ", volume->name, volume->size_bytes);
    print_fact("", volume->type == NULL ? "nothing known" : volume->type);
    print_fact("label", volume->label);
    print_fact("uuid", volume->uuid);
    print_fact("partlabel", volume->part_label);
    print_fact("partuuid", volume->part_uuid);
    putchar('\n');
}

static void print_disks(const struct disks *disks)
{
    printf("disks:%s\n", disks->count == 0 ? " none" : "");
    for (size_t i = 0; i < disks->count; i++) {
        const struct disk *disk = &disks->items[i];
        print_name("  ", disk->name, disk->size_bytes);
        print_fact("", disk->backing_file != NULL ? disk->backing_file : disk->model);
        print_fact("serial", disk->serial);
        print_fact("", disk->transport);
        printf("%s%s\n", disk->removable ? "  removable" : "", disk->read_only ? "  write-protected" : "");
        bool bare = disk->volume_count == 1 && disk->volumes[0].type == NULL;
        for (size_t v = disk->volume_count == 1 ? 0 : 1; !bare && v < disk->volume_count; v++) {
            print_volume(&disk->volumes[v]);
        }
    }
}

static void print_installations(const struct survey *survey)
{
    puts(survey->count == 0 ? "installations: none" : "installations:");
    for (size_t i = 0; i < survey->count; i++) {
        const struct installation *item = &survey->items[i];
        screen_line(stdout, "  %s %s in %s on %s", item->profile->name, item->version, item->program_root,
                    item->volume);
        screen_line(stdout, "    system: %s%s%s", item->os_name[0] == '\0' ? "not known" : item->os_name,
                    item->host_name[0] == '\0' ? "" : ", host ", item->host_name);
        if (item->cluster != NULL) {
            screen_line(stdout, "    database: PostgreSQL %s in %s", item->cluster_version, item->cluster);
        }
        if (item->problem != NULL) {
            screen_line(stdout, "    problem: %s", item->problem);
        }
    }
    if (survey->findings.count > 0) {
        puts("also found:");
    }
    for (size_t i = 0; i < survey->findings.count; i++) {
        screen_line(stdout, "  %s", survey->findings.items[i]);
    }
}

/* --- JSON ------------------------------------------------------------------------------------------------------------ */

struct pair {
    const char *key;
    const char *value;
};

/* Labels and names are whatever bytes somebody wrote on a disk. */
static bool add_pairs(yyjson_mut_doc *document, yyjson_mut_val *object, const struct pair *pairs, size_t count)
{
    bool added = object != NULL;
    for (size_t i = 0; added && i < count; i++) {
        added = pairs[i].value == NULL ||
                json_add_bytes(document, object, pairs[i].key, pairs[i].value, strlen(pairs[i].value));
    }
    return added;
}

static bool add_list(yyjson_mut_doc *document, yyjson_mut_val *object, const char *key, const struct strings *list)
{
    yyjson_mut_val *array = yyjson_mut_obj_add_arr(document, object, key);
    bool added = array != NULL;
    for (size_t i = 0; added && i < list->count; i++) {
        const char *text = list->items[i];
        added = utf8_is_valid(text, strlen(text)) ? yyjson_mut_arr_add_strcpy(document, array, text)
                                                  : yyjson_mut_arr_add_str(document, array, "(not UTF-8)");
    }
    return added;
}

static bool add_volume(yyjson_mut_doc *document, yyjson_mut_val *object, const struct disk_volume *volume)
{
    static const char *const uses[] = {[DISK_USE_UNKNOWN] = "unknown",
                                       [DISK_USE_FILESYSTEM] = "filesystem",
                                       [DISK_USE_MEMBER] = "member",
                                       [DISK_USE_OTHER] = "other"};
    const struct pair pairs[] = {
        {"name", volume->name},           {"path", volume->path},
        {"use", uses[volume->use]},       {"type", volume->type},
        {"uuid", volume->uuid},           {"label", volume->label},
        {"part_uuid", volume->part_uuid}, {"part_label", volume->part_label},
        {"part_type", volume->part_type},
    };
    return add_pairs(document, object, pairs, sizeof pairs / sizeof pairs[0]) &&
           yyjson_mut_obj_add_int(document, object, "number", volume->number) &&
           yyjson_mut_obj_add_uint(document, object, "start_bytes", volume->start_bytes) &&
           yyjson_mut_obj_add_uint(document, object, "size_bytes", volume->size_bytes) &&
           yyjson_mut_obj_add_bool(document, object, "read_only", volume->read_only);
}

static bool add_disk(yyjson_mut_doc *document, yyjson_mut_val *object, const struct disk *disk)
{
    const struct pair pairs[] = {
        {"name", disk->name},
        {"path", disk->path},
        {"model", disk->model},
        {"serial", disk->serial},
        {"wwn", disk->wwn},
        {"transport", disk->transport},
        {"backing_file", disk->backing_file},
    };
    bool added = add_pairs(document, object, pairs, sizeof pairs / sizeof pairs[0]) &&
                 yyjson_mut_obj_add_uint(document, object, "size_bytes", disk->size_bytes) &&
                 yyjson_mut_obj_add_bool(document, object, "removable", disk->removable) &&
                 yyjson_mut_obj_add_bool(document, object, "read_only", disk->read_only) &&
                 add_list(document, object, "ids", &disk->ids);
    yyjson_mut_val *volumes = added ? yyjson_mut_obj_add_arr(document, object, "volumes") : NULL;
    added = volumes != NULL;
    for (size_t i = 0; added && i < disk->volume_count; i++) {
        added = add_volume(document, yyjson_mut_arr_add_obj(document, volumes), &disk->volumes[i]);
    }
    return added;
}

static bool add_installation(yyjson_mut_doc *document, yyjson_mut_val *object, const struct installation *item)
{
    const struct pair pairs[] = {
        {"profile", item->profile->name},
        {"title", item->profile->title},
        {"version", item->version},
        {"program_root", item->program_root},
        {"os_name", item->os_name},
        {"os_id", item->os_id},
        {"host_name", item->host_name},
        {"machine_id", item->machine_id},
        {"disk", item->disk},
        {"volume", item->volume},
        {"volume_options", item->volume_options},
        {"cluster", item->cluster},
        {"cluster_version", item->cluster_version},
        {"cluster_config", item->cluster_config},
        {"cluster_hba", item->cluster_hba},
        {"problem", item->problem},
    };
    return add_pairs(document, object, pairs, sizeof pairs / sizeof pairs[0]);
}

static bool add_survey(yyjson_mut_doc *document, yyjson_mut_val *root, const struct survey *survey)
{
    yyjson_mut_val *disks = yyjson_mut_obj_add_arr(document, root, "disks");
    bool added = disks != NULL;
    for (size_t i = 0; added && i < survey->disks.count; i++) {
        added = add_disk(document, yyjson_mut_arr_add_obj(document, disks), &survey->disks.items[i]);
    }
    yyjson_mut_val *installations = added ? yyjson_mut_obj_add_arr(document, root, "installations") : NULL;
    added = installations != NULL;
    for (size_t i = 0; added && i < survey->count; i++) {
        added = add_installation(document, yyjson_mut_arr_add_obj(document, installations), &survey->items[i]);
    }
    return added && add_list(document, root, "findings", &survey->findings) &&
           add_list(document, root, "looked", &survey->looked);
}

static int print_json(const struct survey *survey, const struct error *found, struct error *error)
{
    struct buffer out = {0};
    yyjson_mut_doc *document = yyjson_mut_doc_new(NULL);
    yyjson_mut_val *root = yyjson_mut_obj(document);
    yyjson_mut_doc_set_root(document, root);
    bool added = root != NULL && add_survey(document, root, survey);
    if (added && found->code != CSN_NONE) {
        yyjson_mut_val *problem = yyjson_mut_obj_add_obj(document, root, "error");
        added = problem != NULL && yyjson_mut_obj_add_str(document, problem, "code", error_entry(found->code)->code) &&
                json_add_bytes(document, problem, "message", found->message, strlen(found->message));
    }
    int result =
        added ? json_append_line(&out, document, error) : error_set(error, CSN_MEMORY, "no memory for the answer");
    yyjson_mut_doc_free(document);
    if (result == 0) {
        puts(buffer_text(&out));
    }
    buffer_free(&out);
    return result;
}

/* --- the command ----------------------------------------------------------------------------------------------------- */

static int load_profiles(struct profiles *profiles, const struct options *options, struct error *error)
{
    const char *file = options_text(options, "profile");
    const struct strings *folders = options_list(options, "profiles");
    if (file != NULL) {
        return profiles_add_file(profiles, file, error); /* this one only: it is what was asked for */
    }
    for (size_t i = 0; i < folders->count; i++) {
        if (profiles_add_folder(profiles, folders->items[i], error) != 0) {
            return -1;
        }
    }
    return profiles_add_folder(profiles, PROFILES_FOLDER, error);
}

static int identify(const struct options *options, const struct profiles *profiles)
{
    struct target_options wanted = {
        .disk = options_text(options, "disk"),
        .root_folder = options_text(options, "root"),
        .profiles = profiles,
    };
    struct survey survey;
    struct error error = {0};
    struct error printing;
    if (survey_make(&survey, &wanted, &error) != 0) {
        return command_fail(&error);
    }
    int exit_code = EXIT_DONE;
    bool found = survey_choose(&survey, &wanted, &error) != NULL;
    if (!options_flag(options, "json")) {
        if (wanted.root_folder == NULL) {
            print_disks(&survey.disks);
        }
        print_installations(&survey);
    } else if (print_json(&survey, &error, &printing) != 0) {
        found = false;
        error = printing;
    }
    if (!found) {
        exit_code = command_fail(&error);
    }
    survey_free(&survey);
    return exit_code;
}

int cmd_identify(int argc, char **argv)
{
    static const struct option_usage usage = {"identify", "",
                                              "Lists the disks and finds the application on them, or below a folder. "
                                              "Nothing is written. Ends with 0 if there is\n"
                                              "exactly one installation.",
                                              0, 0};
    static const struct option_rule rules[] = {
        {"root", OPTION_TEXT, false, "DIR", "look below this folder (/ is this machine itself), not on disks"},
        {"disk", OPTION_TEXT, false, "NAME",
         "only this disk: serial:, wwn:, uuid:, label:, partuuid:, partlabel:, path: or image: and its name"},
        {"profile", OPTION_TEXT, false, "FILE", "look for the application of this profile only; no other is read"},
        {"profiles", OPTION_LIST, false, "DIR", "a folder with profiles, before those in " PROFILES_FOLDER},
        {"json", OPTION_FLAG, false, NULL, "as JSON"},
        {0},
    };
    struct options options;
    struct profiles profiles = {0};
    struct error error;
    int exit_code = EXIT_DONE;
    int parsed = options_parse(&options, &usage, rules, argc, argv, &error);
    if (parsed == 0 && options_text(&options, "root") != NULL && options_text(&options, "disk") != NULL) {
        parsed = error_set(&error, CSN_USAGE, "--root and --disk exclude each other");
    }
    if (parsed == 0) {
        parsed = load_profiles(&profiles, &options, &error);
    }
    if (parsed < 0) {
        exit_code = command_fail(&error);
    } else if (parsed == 0) {
        exit_code = identify(&options, &profiles);
    }
    profiles_free(&profiles);
    options_free(&options);
    return exit_code;
}
