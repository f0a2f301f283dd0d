#include "target/view_internal.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/file.h"

static int add_address(int fd, unsigned short index, const char *text, struct error *error)
{
    struct ifreq request = {0};
    struct sockaddr_in address = {.sin_family = AF_INET};
    struct sockaddr_in mask = {.sin_family = AF_INET, .sin_addr.s_addr = 0xffffffffu};
    if (inet_pton(AF_INET, text, &address.sin_addr) != 1) {
        return error_set(error, CSN_TARGET_PROFILE, "%s is not an IPv4 address", text);
    }
    snprintf(request.ifr_name, sizeof request.ifr_name, "lo:%hu", index);
    memcpy(&request.ifr_addr, &address, sizeof address);
    if (ioctl(fd, SIOCSIFADDR, &request) != 0) {
        return error_system(error, CSN_TARGET_NAMESPACE, "giving the loopback the address %s", text);
    }
    memcpy(&request.ifr_netmask, &mask, sizeof mask);
    if (ioctl(fd, SIOCSIFNETMASK, &request) != 0) {
        return error_system(error, CSN_TARGET_NAMESPACE, "giving the loopback the address %s", text);
    }
    return 0;
}

int view_bring_up_loopback(const struct strings *addresses, struct error *error)
{
    struct ifreq request = {.ifr_name = "lo"};
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    int result = 0;
    if (fd < 0 || ioctl(fd, SIOCGIFFLAGS, &request) != 0) {
        result = error_system(error, CSN_TARGET_NAMESPACE, "finding the loopback");
        goto out;
    }
    request.ifr_flags = (short)(request.ifr_flags | IFF_UP | IFF_RUNNING);
    if (ioctl(fd, SIOCSIFFLAGS, &request) != 0) {
        result = error_system(error, CSN_TARGET_NAMESPACE, "bringing up the loopback");
        goto out;
    }
    for (size_t i = 0; addresses != NULL && i < addresses->count && result == 0; i++) {
        result = add_address(fd, (unsigned short)i, addresses->items[i], error);
    }
    /* A service that systemd would give port 80 to runs here without the capability: any port is free in this network.
     * An old kernel without the setting keeps to capabilities. */
    int setting_fd = open("/proc/sys/net/ipv4/ip_unprivileged_port_start", O_WRONLY | O_CLOEXEC);
    if (setting_fd >= 0 && write(setting_fd, "0", 1) != 1 && result == 0) {
        result = error_system(error, CSN_TARGET_NAMESPACE, "opening the low ports");
    }
    file_drop(&setting_fd);
out:
    file_drop(&fd);
    return result;
}
