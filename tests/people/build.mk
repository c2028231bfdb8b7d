# SPDX-License-Identifier: GPL-2.0-only
# What is there for people: pictures, messages, and the check of both.

pictures: bindtrace ## docs/pictures anew, from real runs in a virtual machine
	@contrib/pictures

people: bindtrace $B/tests/mkstate $B/.test-deps ## the pictures are whole; messages that want a boot of their own (SELinux)
	@tests/people/run

.PHONY: pictures people
