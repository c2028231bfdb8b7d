// SPDX-License-Identifier: GPL-2.0-only
/*
 * Any bytes as what a file of /proc/sys/net, or if_inet6, says: a value that such a file can have,
 * or none. The first byte chooses the file, 0 tries all of them.
 */
#include <limits.h>

#include "checks.h"
#include "kernel/local_address.h"
#include "kernel/sysctl.h"

static const struct ip_addr wanted = {{0xfe, 0x80, [15] = 1}};

static void try_number(FILE *file)
{
	must(sysctl__read_number(file) >= -1);
}

static void try_range(FILE *file)
{
	uint16_t low = 0, high = 0;
	bool known = sysctl__read_range(file, &low, &high);

	must(known ? low >= 1 && low <= high : !low && !high);
}

/* The very text again, from the bits, says the same: where it was read to its end. */
static void try_ports(FILE *file)
{
	static uint8_t bits[65536 / 8], again[65536 / 8];
	char *text = NULL;
	size_t len;
	FILE *list;
	bool known = sysctl__read_ports(file, bits);

	if (!known)
		return;
	list = open_memstream(&text, &len);
	must(list);
	for (int port = 0; port < 65536; port++)
		if (bits[port / 8] & 1u << port % 8)
			fprintf(list, "%s%d", ftell(list) ? "," : "", port);
	fputc('\n', list);
	must(!fclose(list));
	list = fmemopen(text, len, "r");
	must(list && sysctl__read_ports(list, again) && !memcmp(bits, again, sizeof(bits)));
	fclose(list);
	free(text);
}

static void try_tentative(FILE *file)
{
	must(sysctl__read_tentative(file, &wanted) != TRI_UNKNOWN);
}

static void try_usable(FILE *file)
{
	must(local_address__read6(file, &wanted, 0, 0) != TRI_UNKNOWN);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static void (*const files[])(FILE * file) = {try_number, try_range, try_ports,
						     try_tentative, try_usable};
	const size_t n = sizeof(files) / sizeof(files[0]);
	size_t chosen = size ? data[0] % (n + 1) : 0;
	char *text;

	if (size < 2)
		return 0;
	text = malloc(size - 1); /* exact, for the sanitizer */
	must(text);
	memcpy(text, data + 1, size - 1);
	for (size_t i = 0; i < n; i++) {
		FILE *file;

		if (chosen && chosen != i + 1)
			continue;
		file = fmemopen(text, size - 1, "r");
		must(file);
		files[i](file);
		fclose(file);
	}
	free(text);
	return 0;
}
