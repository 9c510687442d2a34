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

enum { SUCCESS, UNINITIALIZED, INVALID_ARGUMENT, NOT_SUPPORTED, NOT_FOUND = 6, TOO_SMALL = 7,
       DRIVER_NOT_LOADED = 9, TIMEOUT = 10, FUNCTION_NOT_FOUND = 13 };
enum { WORDS = 4096 }; /* Of one line of nvml.conf; a list of processes may be long. */

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
    char line[WORDS];
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
    char value[WORDS];
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

/* A handle is the number of a GPU and one; of a slice, with its number and one above that. */
static long gpu_of(void *handle) { return ((long)(intptr_t)handle & 0xffff) - 1; }

static long slice_of(void *handle) { return ((long)(intptr_t)handle >> 16) - 1; }

static void key_of(void *handle, const char *what, char *key, size_t size) {
    if (slice_of(handle) < 0) snprintf(key, size, "%ld.%s", gpu_of(handle), what);
    else snprintf(key, size, "%ld:%ld.%s", gpu_of(handle), slice_of(handle), what);
}

/* One value of a GPU or a slice; a missing line or `none` means the driver does not tell it. */
static int gpu_value(const char *name, void *handle, const char *what, char *value, size_t size) {
    char conf[4096], key[64];
    int code = enter(name, conf, sizeof conf, gpu_of(handle));
    if (!code && slice_of(handle) >= 0) {
        key_of(handle, "error", key, sizeof key);
        code = (int)number(conf, key, SUCCESS);
    }
    if (code) return code;
    key_of(handle, what, key, sizeof key);
    if (!lookup(conf, key, value, size) || !strcmp(value, "none")) return NOT_SUPPORTED;
    return SUCCESS;
}

static int gpu_number(const char *name, void *handle, const char *what, unsigned *to) {
    char value[WORDS];
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
    char value[WORDS];
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

int nvmlDeviceGetPcieThroughput(void *handle, int counter, unsigned *to) { /* KiB/s; 0: sent */
    return gpu_number("nvmlDeviceGetPcieThroughput", handle,
                      counter ? "pcie_received" : "pcie", to);
}

int nvmlDeviceGetNvLinkVersion(void *handle, unsigned link, unsigned *to) {
    (void)link;
    return gpu_number("nvmlDeviceGetNvLinkVersion", handle, "nvlink", to);
}

int nvmlDeviceGetClockInfo(void *handle, int clock, unsigned *to) { /* MHz; 1: SM, 2: memory */
    return gpu_number("nvmlDeviceGetClockInfo", handle, clock == 2 ? "memory_clock" : "clock", to);
}

static int reasons(const char *name, void *handle, uint64_t *to) {
    char value[WORDS];
    int code = gpu_value(name, handle, "throttle", value, sizeof value);
    if (!code) *to = strtoull(value, NULL, 0);
    return code;
}

int nvmlDeviceGetCurrentClocksEventReasons(void *handle, uint64_t *to) {
    char conf[4096];
    path_of(conf, sizeof conf, "nvml.conf");
    if (!number(conf, "event_reasons", 1)) return FUNCTION_NOT_FOUND;
    return reasons("nvmlDeviceGetCurrentClocksEventReasons", handle, to);
}

int nvmlDeviceGetCurrentClocksThrottleReasons(void *handle, uint64_t *to) {
    return reasons("nvmlDeviceGetCurrentClocksThrottleReasons", handle, to);
}

/* Up to `count` numbers of one line. */
static int gpu_numbers(const char *name, void *handle, const char *what, uint64_t *to, int count) {
    char value[WORDS], *rest = value;
    int code = gpu_value(name, handle, what, value, sizeof value);
    for (int i = 0; i < count && !code; i++) to[i] = strtoull(rest, &rest, 10);
    return code;
}

int nvmlDeviceGetTotalEccErrors(void *handle, int kind, int since, uint64_t *to) {
    uint64_t both[2]; /* `ecc CORRECTED UNCORRECTED` */
    (void)since;
    int code = gpu_numbers("nvmlDeviceGetTotalEccErrors", handle, "ecc", both, 2);
    if (!code) *to = both[kind == 1];
    return code;
}

int nvmlDeviceGetRemappedRows(void *handle, unsigned *corrected, unsigned *uncorrected,
                              unsigned *pending, unsigned *failed) {
    uint64_t all[4];
    int code = gpu_numbers("nvmlDeviceGetRemappedRows", handle, "remapped", all, 4);
    if (code) return code;
    *corrected = (unsigned)all[0], *uncorrected = (unsigned)all[1];
    *pending = (unsigned)all[2], *failed = (unsigned)all[3];
    return SUCCESS;
}

struct process { unsigned pid; uint64_t memory; unsigned instance, compute; };

/* `processes PID:BYTES PID:BYTES`; BYTES may be `none`. */
static int processes(const char *name, void *handle, const char *what, unsigned *count,
                     struct process *to) {
    char value[WORDS], *rest = value, *end;
    unsigned room = *count, found = 0;
    int code = gpu_value(name, handle, what, value, sizeof value);
    if (code) return code;
    for (;; found++) {
        unsigned long pid = strtoul(rest, &end, 10);
        if (end == rest) break;
        rest = *end == ':' ? end + 1 : end;
        uint64_t memory = strtoull(rest, &end, 10);
        if (end == rest) memory = UINT64_MAX, end = rest + strcspn(rest, " ");
        rest = end;
        if (to && found < room) to[found] = (struct process){(unsigned)pid, memory, ~0u, ~0u};
    }
    *count = found;
    return found > (to ? room : 0) ? TOO_SMALL : SUCCESS;
}

int nvmlDeviceGetComputeRunningProcesses_v3(void *handle, unsigned *count, struct process *to) {
    return processes("nvmlDeviceGetComputeRunningProcesses_v3", handle, "processes", count, to);
}

int nvmlDeviceGetGraphicsRunningProcesses_v3(void *handle, unsigned *count, struct process *to) {
    return processes("nvmlDeviceGetGraphicsRunningProcesses_v3", handle, "graphics", count, to);
}

int nvmlDeviceGetMPSComputeRunningProcesses_v3(void *handle, unsigned *count, struct process *to) {
    return processes("nvmlDeviceGetMPSComputeRunningProcesses_v3", handle, "mps", count, to);
}

int nvmlDeviceGetMigMode(void *handle, unsigned *now, unsigned *pending) {
    int code = gpu_number("nvmlDeviceGetMigMode", handle, "mig", now);
    if (!code) *pending = *now;
    return code;
}

int nvmlDeviceGetMaxMigDeviceCount(void *handle, unsigned *to) {
    char value[WORDS];
    *to = 7;
    return gpu_value("nvmlDeviceGetMaxMigDeviceCount", handle, "mig", value, sizeof value);
}

int nvmlDeviceGetMigDeviceHandleByIndex(void *handle, unsigned index, void **to) {
    char conf[4096], key[64], value[WORDS];
    int code = enter("nvmlDeviceGetMigDeviceHandleByIndex", conf, sizeof conf, gpu_of(handle));
    void *slice = (void *)((intptr_t)handle | ((intptr_t)index + 1) << 16);
    if (code) return code;
    key_of(slice, "uuid", key, sizeof key);
    if (!lookup(conf, key, value, sizeof value) || !strcmp(value, "none")) return NOT_FOUND;
    *to = slice;
    return SUCCESS;
}

struct attributes {
    unsigned processors, copy, decoders, encoders, jpeg, flow, gpu_slices, compute_slices;
    uint64_t memory_mb;
};

int nvmlDeviceGetAttributes_v2(void *handle, struct attributes *to) {
    uint64_t all[3]; /* `attributes GPU_SLICES COMPUTE_SLICES MIB` */
    int code = gpu_numbers("nvmlDeviceGetAttributes_v2", handle, "attributes", all, 3);
    if (code) return code;
    memset(to, 0, sizeof *to);
    to->gpu_slices = (unsigned)all[0], to->compute_slices = (unsigned)all[1];
    to->memory_mb = all[2];
    return SUCCESS;
}

/* A set of events: those in `xids GPU:XID GPU:XID ...` that came after it was made. */
struct events { long told; uint64_t watched; };

struct event { void *device; uint64_t type, data; unsigned instance, compute; };

/* The number of events so far; the one at `index` is put into `gpu` and `xid`. */
static long event(const char *conf, long index, long *gpu, uint64_t *xid) {
    char value[WORDS], *rest = value, *end;
    long found = 0;
    if (!lookup(conf, "xids", value, sizeof value)) return 0;
    for (;; found++) {
        long at = strtol(rest, &end, 10);
        if (end == rest || *end != ':') return found;
        uint64_t number = strtoull(end + 1, &rest, 10);
        if (found == index) *gpu = at, *xid = number;
    }
}

int nvmlEventSetCreate(struct events **to) {
    char conf[4096];
    long gpu;
    uint64_t xid;
    int code = enter("nvmlEventSetCreate", conf, sizeof conf, -1);
    if (!code && !number(conf, "events", 1)) code = NOT_SUPPORTED;
    if (code) return code;
    *to = calloc(1, sizeof **to);
    (*to)->told = event(conf, -1, &gpu, &xid);
    return SUCCESS;
}

int nvmlDeviceRegisterEvents(void *handle, uint64_t types, struct events *set) {
    char value[WORDS];
    int code = gpu_value("nvmlDeviceRegisterEvents", handle, "events", value, sizeof value);
    if (!code && types & 8) set->watched |= 1ull << gpu_of(handle); /* 8: critical Xid errors. */
    return code;
}

int nvmlEventSetWait_v2(struct events *set, struct event *to, unsigned milliseconds) {
    char conf[4096];
    long gpu = -1;
    uint64_t xid = 0;
    int code = enter("nvmlEventSetWait_v2", conf, sizeof conf, -1);
    if (code) return code;
    while (event(conf, set->told, &gpu, &xid) > set->told) {
        set->told++;
        if (!(set->watched >> gpu & 1)) continue;
        *to = (struct event){(void *)((intptr_t)gpu + 1), 8, xid, ~0u, ~0u};
        return SUCCESS;
    }
    nap(milliseconds);
    return TIMEOUT;
}

int nvmlEventSetFree(struct events *set) {
    char conf[4096];
    int code = enter("nvmlEventSetFree", conf, sizeof conf, -1);
    free(set);
    return code;
}

struct field { unsigned id, scope; int64_t time, took; unsigned type, code; uint64_t value; };

int nvmlDeviceGetFieldValues(void *handle, int count, struct field *fields) {
    char conf[4096], key[64], value[WORDS];
    int code = enter("nvmlDeviceGetFieldValues", conf, sizeof conf, gpu_of(handle));
    for (int i = 0; i < count && !code; i++) {
        const char *what = fields[i].id == 138   ? "nvlink_sent" /* KiB since it was loaded */
                           : fields[i].id == 139 ? "nvlink_received"
                           : fields[i].id == 230 ? "recovery"
                                                 : NULL;
        fields[i].code = SUCCESS; /* Those that nobody sets are 0. */
        fields[i].type = fields[i].id == 230 ? 1 : 3;
        fields[i].value = 0;
        if (!what) continue;
        key_of(handle, what, key, sizeof key);
        if (!lookup(conf, key, value, sizeof value)) continue;
        if (!strcmp(value, "none")) fields[i].code = NOT_SUPPORTED;
        else fields[i].value = strtoull(value, NULL, 10);
    }
    return code;
}
