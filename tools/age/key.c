#include "age/key.h"

#include <string.h>
#include <strings.h>

#include "lib/crypto.h"

#define RECIPIENT_PREFIX "age"
#define IDENTITY_PREFIX "AGE-SECRET-KEY-"

bool age_key_is_secret(const char *text)
{
    return strcasestr(text, IDENTITY_PREFIX) != NULL;
}

/* What does not look like a recipient may be a secret: it is not repeated. */
static int refuse_recipient(const char *text, struct error *error)
{
    bool shown = strncasecmp(text, RECIPIENT_PREFIX "1", strlen(RECIPIENT_PREFIX "1")) == 0;
    return age_key_is_secret(text)
               ? error_set(error, CSN_AGE_KEY,
                           "what is given as a recipient is a secret key; the recipient is what `age-keygen -y FILE` "
                           "prints for the key's file")
               : error_set(error, CSN_AGE_KEY,
                           "%s%.80s%s is not a recipient: that is age1 and 58 characters, exactly as printed",
                           shown ? "\"" : "what is given", shown ? text : "", shown ? "\"" : "");
}

int age_recipient_parse(struct age_recipient *recipient, const char *text, struct error *error)
{
    static const uint8_t any[AGE_KEY_BYTES];
    uint8_t shared[AGE_KEY_BYTES];
    if (!bech32_decode(text, RECIPIENT_PREFIX, recipient->point, sizeof recipient->point)) {
        return refuse_recipient(text, error);
    }
    if (crypto_x25519(any, recipient->point, shared, error) != 0) {
        return -1;
    }
    if (crypto_is_zero(shared, sizeof shared)) {
        return error_set(error, CSN_AGE_KEY, "%s is a recipient with which nothing would be secret", text);
    }
    return 0;
}

void age_recipient_print(const struct age_recipient *recipient, char text[AGE_RECIPIENT_TEXT_SIZE])
{
    bech32_encode(RECIPIENT_PREFIX, recipient->point, sizeof recipient->point, text);
}

int age_identity_from(struct age_identity *identity, const uint8_t scalar[AGE_KEY_BYTES], struct error *error)
{
    memmove(identity->scalar, scalar, sizeof identity->scalar);
    return crypto_x25519(identity->scalar, NULL, identity->recipient.point, error);
}

int age_identity_make(struct age_identity *identity, struct error *error)
{
    return crypto_random(identity->scalar, sizeof identity->scalar, error) != 0
               ? -1
               : age_identity_from(identity, identity->scalar, error);
}

int age_identity_parse(struct age_identity *identity, const char *text, struct error *error)
{
    if (!bech32_decode(text, IDENTITY_PREFIX, identity->scalar, sizeof identity->scalar)) {
        return error_set(
            error, CSN_AGE_KEY,
            "what is given is not an identity: that is AGE-SECRET-KEY-1 and 58 characters, exactly as printed");
    }
    return age_identity_from(identity, identity->scalar, error);
}

void age_identity_print(const struct age_identity *identity, char text[AGE_IDENTITY_TEXT_SIZE])
{
    bech32_encode("age-secret-key-", identity->scalar, sizeof identity->scalar, text);
    for (char *at = text; *at != '\0'; at++) {
        *at = *at >= 'a' && *at <= 'z' ? (char)(*at - 'a' + 'A') : *at;
    }
}

void age_identity_wipe(struct age_identity *identity)
{
    explicit_bzero(identity, sizeof *identity);
}
