/* A stand-in for NVIDIA's libnvidia-ml.so.1. Built and explained by nvml.py beside it.
 *
 * Every call reads the file `nvml.conf` in the directory of this library (or in the one that
 * dllab_fake_nvml was called with) and appends its own name to the file `calls` there. It so needs
 * no state of its own beyond what nvmlInit is expected to keep, and a test may change anything
 * between two calls. Without that file it is a driver that is not loaded.
 *
 * That costs more than a driver does. Where time is measured, `steady 1` lets a process read the
 * file once and count nothing.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { SUCCESS, UNINITIALIZED, INVALID_ARGUMENT, NOT_SUPPORTED,
       DRIVER_NOT_LOADED = 9, FUNCTION_NOT_FOUND = 13 };

static long started = -1; /* The `driver_loads` at which nvmlInit succeeded; -1 before. */
static char elsewhere[4096];
static const char *steady; /* All of nvml.conf once it has said so; kept to the process's end. */
static long steady_delay;

void dllab_fake_nvml(const char *directory) {
    snprintf(elsewhere, sizeof elsewhere, "%s", directory);
    steady = NULL;
}

static void path_of(char *to, size_t size, const char *name) {
    Dl_info self;
    if (*elsewhere) {
        snprintf(to, size, "%s/%s", elsewhere, name);
    } else if (dladdr((void *)path_of, &self) && strrchr(self.dli_fname, '/')) {
        int length = (int)(strrchr(self.dli_fname, '/') - self.dli_fname);
        snprintf(to, size, "%.*s/%s", length, self.dli_fname, name);
    } else {
        snprintf(to, size, "%s", name);
    }
}

/* The text after `key ` in nvml.conf; 0 when there is no such line. */
static int lookup(const char *conf, const char *key, char *value, size_t size) {
    char line[256];
    size_t length = strlen(key);
    int found = 0;
    for (const char *at = steady; at && *at; at = strchr(at, '\n') + 1) {
        if (strncmp(at, key, length) || at[length] != ' ') continue;
        at += length + 1;
        snprintf(value, size, "%.*s", (int)strcspn(at, "\n"), at);
        return 1;
    }
    if (steady) return 0;
    FILE *file = fopen(conf, "re");
    if (!file) return 0;
    while (!found && fgets(line, sizeof line, file)) {
        if (strncmp(line, key, length) || line[length] != ' ') continue;
        line[strcspn(line, "\n")] = 0;
        snprintf(value, size, "%s", line + length + 1);
        found = 1;
    }
    fclose(file);
    return found;
}

static long number(const char *conf, const char *key, long otherwise) {
    char value[256];
    return lookup(conf, key, value, sizeof value) ? strtol(value, NULL, 10) : otherwise;
}

static void nap(long milliseconds) {
    struct timespec time = {milliseconds / 1000, milliseconds % 1000 * 1000000};
    nanosleep(&time, NULL);
}

/* Keep the file as it is, if it says so. */
static void settle(const char *conf) {
    if (!number(conf, "steady", 0)) return;
    FILE *file = fopen(conf, "re");
    char *text = calloc(1, 65536);
    size_t length = file && text ? fread(text, 1, 65536, file) : 0;
    if (length > 0 && length < 65536) { /* All of it; every line ends. */
        steady_delay = number(conf, "delay_ms", 0);
        steady = text;
    } else {
        free(text);
    }
    if (file) fclose(file);
}

/* What every call does first. `gpu` is -1 for calls about the whole machine. */
static int enter(const char *name, char *conf, size_t size, long gpu) {
    char calls[4096], line[128], key[64];
    if (steady) {
        if (steady_delay) nap(steady_delay);
        return SUCCESS;
    }
    path_of(conf, size, "nvml.conf");
    path_of(calls, sizeof calls, "calls");
    int file = open(calls, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    if (file >= 0) {
        int length = snprintf(line, sizeof line, "%s\n", name);
        if (write(file, line, (size_t)length) < 0) { /* A full disk loses a count, no more. */ }
        close(file);
    }
    while (number(conf, "hang", 0)) nap(5);
    nap(number(conf, "delay_ms", 0));
    if (strcmp(name, "nvmlInitWithFlags") && strcmp(name, "nvmlShutdown")
        && started != number(conf, "driver_loads", 0)) return UNINITIALIZED;
    if (gpu < 0) return SUCCESS;
    if (gpu >= number(conf, "gpus", 0)) return INVALID_ARGUMENT;
    snprintf(key, sizeof key, "%ld.error", gpu);
    return (int)number(conf, key, SUCCESS);
}

/* One value of a GPU; a missing line or `none` means the driver does not tell it. */
static int gpu_value(const char *name, void *handle, const char *what, char *value, size_t size) {
    char conf[4096], key[64];
    long gpu = (long)(intptr_t)handle - 1;
    int code = enter(name, conf, sizeof conf, gpu);
    if (code) return code;
    snprintf(key, sizeof key, "%ld.%s", gpu, what);
    if (!lookup(conf, key, value, size) || !strcmp(value, "none")) return NOT_SUPPORTED;
    return SUCCESS;
}

static int gpu_number(const char *name, void *handle, const char *what, unsigned *to) {
    char value[256];
    int code = gpu_value(name, handle, what, value, sizeof value);
    if (!code) *to = (unsigned)strtoul(value, NULL, 10);
    return code;
}

int nvmlInitWithFlags(unsigned flags) {
    char conf[4096];
    (void)flags;
    enter("nvmlInitWithFlags", conf, sizeof conf, -1);
    int code = !steady && access(conf, R_OK) ? DRIVER_NOT_LOADED : (int)number(conf, "init_error", SUCCESS);
    if (!code) started = number(conf, "driver_loads", 0);
    if (!code) settle(conf);
    return code;
}

int nvmlInit_v2(void) { return nvmlInitWithFlags(0); }

int nvmlShutdown(void) {
    char conf[4096];
    enter("nvmlShutdown", conf, sizeof conf, -1);
    int code = started < 0 ? UNINITIALIZED : SUCCESS;
    started = -1;
    return code;
}

const char *nvmlErrorString(int code) {
    (void)code;
    return "an error of the fake NVML";
}

int nvmlSystemGetDriverVersion(char *to, unsigned size) {
    char conf[4096];
    int code = enter("nvmlSystemGetDriverVersion", conf, sizeof conf, -1);
    if (code) return code;
    return lookup(conf, "driver", to, size) ? SUCCESS : NOT_SUPPORTED;
}

int nvmlDeviceGetCount_v2(unsigned *to) {
    char conf[4096];
    int code = enter("nvmlDeviceGetCount_v2", conf, sizeof conf, -1);
    if (!code) *to = (unsigned)number(conf, "gpus", 0);
    return code;
}

int nvmlDeviceGetHandleByIndex_v2(unsigned index, void **to) {
    char conf[4096];
    int code = enter("nvmlDeviceGetHandleByIndex_v2", conf, sizeof conf, (long)index);
    if (!code) *to = (void *)((intptr_t)index + 1);
    return code;
}

int nvmlDeviceGetUUID(void *handle, char *to, unsigned size) {
    return gpu_value("nvmlDeviceGetUUID", handle, "uuid", to, size);
}

int nvmlDeviceGetName(void *handle, char *to, unsigned size) {
    return gpu_value("nvmlDeviceGetName", handle, "name", to, size);
}

int nvmlDeviceGetMemoryInfo(void *handle, uint64_t *memory) { /* total, free, used */
    char value[256];
    int code = gpu_value("nvmlDeviceGetMemoryInfo", handle, "memory", value, sizeof value);
    char *rest = value;
    if (code) return code;
    memory[2] = strtoull(value, &rest, 10); /* `memory USED TOTAL` */
    memory[0] = strtoull(rest, NULL, 10);
    memory[1] = memory[0] - memory[2];
    return SUCCESS;
}

/* What nvidia-smi shows: `used` without what the driver keeps for itself. */
struct memory_v2 { unsigned version; uint64_t total, reserved, free, used; };

int nvmlDeviceGetMemoryInfo_v2(void *handle, struct memory_v2 *memory) {
    uint64_t v1[3];
    char conf[4096];
    path_of(conf, sizeof conf, "nvml.conf");
    if (!number(conf, "memory_v2", 1)) return FUNCTION_NOT_FOUND;
    int code = nvmlDeviceGetMemoryInfo(handle, v1);
    if (code) return code;
    memory->reserved = 512u << 20;
    memory->total = v1[0];
    memory->free = v1[1];
    memory->used = v1[2] - memory->reserved;
    return SUCCESS;
}

int nvmlDeviceGetUtilizationRates(void *handle, unsigned *rates) { /* gpu, memory */
    rates[1] = 0;
    return gpu_number("nvmlDeviceGetUtilizationRates", handle, "utilization", rates);
}

int nvmlDeviceGetTemperature(void *handle, int sensor, unsigned *to) {
    (void)sensor;
    return gpu_number("nvmlDeviceGetTemperature", handle, "temperature", to);
}

int nvmlDeviceGetTemperatureV(void *handle, unsigned *of) { /* version, sensor, temperature */
    return gpu_number("nvmlDeviceGetTemperatureV", handle, "temperature", of + 2);
}

int nvmlDeviceGetTemperatureThreshold(void *handle, int threshold, unsigned *to) {
    return gpu_number("nvmlDeviceGetTemperatureThreshold", handle,
                      threshold == 1 ? "slowdown" : "shutdown", to);
}

int nvmlDeviceGetPowerUsage(void *handle, unsigned *to) { /* milliwatts */
    return gpu_number("nvmlDeviceGetPowerUsage", handle, "power", to);
}

int nvmlDeviceGetEnforcedPowerLimit(void *handle, unsigned *to) { /* milliwatts */
    return gpu_number("nvmlDeviceGetEnforcedPowerLimit", handle, "power_limit", to);
}

int nvmlDeviceGetMaxPcieLinkGeneration(void *handle, unsigned *to) {
    return gpu_number("nvmlDeviceGetMaxPcieLinkGeneration", handle, "pcie_generation", to);
}

int nvmlDeviceGetMaxPcieLinkWidth(void *handle, unsigned *to) {
    return gpu_number("nvmlDeviceGetMaxPcieLinkWidth", handle, "pcie_width", to);
}

int nvmlDeviceGetPcieThroughput(void *handle, int counter, unsigned *to) { /* KiB/s */
    (void)counter;
    return gpu_number("nvmlDeviceGetPcieThroughput", handle, "pcie", to);
}

int nvmlDeviceGetNvLinkVersion(void *handle, unsigned link, unsigned *to) {
    (void)link;
    return gpu_number("nvmlDeviceGetNvLinkVersion", handle, "nvlink", to);
}

struct field { unsigned id, scope; int64_t time, took; unsigned type, code; uint64_t value; };

int nvmlDeviceGetFieldValues(void *handle, int count, struct field *fields) { /* All are 0. */
    char conf[4096];
    int code = enter("nvmlDeviceGetFieldValues", conf, sizeof conf, (long)(intptr_t)handle - 1);
    for (int i = 0; i < count && !code; i++) {
        fields[i].code = SUCCESS;
        fields[i].value = 0;
    }
    return code;
}
