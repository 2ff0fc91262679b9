# Variants of assembly sources, for GNU make and Kbuild.
#
#     PVASM_INSTANCES := native xen
#     include $(shell pvasm --integration-dir)/pvasm.mk
#     obj-y += $(call pvasm-variants,ivt.S entry.S)
#
# From $(src)/ivt.S it makes $(obj)/native-ivt.S and $(obj)/xen-ivt.S; the objects native-ivt.o and xen-ivt.o are made of
# these as of any other assembly source. A variant is made again when its source or one of its instance's files is newer;
# where nothing in it has changed it keeps its time, and nothing that depends on it is made again.
#
# PVASM             the command                                          [pvasm]
# PVASM_INSTANCES   names of instances, and files of your own (mine.yaml, which makes mine-ivt.S); needed before `include'
# PVASM_FLAGS       options of `pvasm expand'                            [--line-markers --define]
# src, obj          the folders of the sources and of what is made       [the current one, unless Kbuild has set them]
# clean-files       grows by what is made here, relative to $(obj), as Kbuild has it

PVASM ?= pvasm
PVASM_FLAGS ?= --line-markers --define
ifeq ($(strip $(PVASM_INSTANCES)),)
$(error pvasm.mk: set PVASM_INSTANCES before it is included, such as: PVASM_INSTANCES := native xen)
endif

# Included rules must not become what `make' makes by default.
pvasm-goal := $(.DEFAULT_GOAL)

# Folders with a slash behind them; make knows files of the current folder by their bare names.
pvasm-obj := $(patsubst ./%,%,$(addsuffix /,$(obj)))
pvasm-src := $(patsubst ./%,%,$(addsuffix /,$(src)))

pvasm-name = $(basename $(notdir $(1)))

pvasm-names := $(foreach instance,$(PVASM_INSTANCES),$(call pvasm-name,$(instance)))
ifneq ($(words $(pvasm-names)),$(words $(sort $(pvasm-names))))
$(error pvasm.mk: two of PVASM_INSTANCES have the same name, and would make the same files: $(PVASM_INSTANCES))
endif

# The stamp is what make goes by: it is written at the end of each run, while the variant keeps its time if it is right
# already. Of the dependency file, the stamp is the target.
define pvasm-rules
$(pvasm-obj)$(call pvasm-name,$(1))-%.S: $(pvasm-obj).$(call pvasm-name,$(1))-%.S.pvasm ;

$(pvasm-obj).$(call pvasm-name,$(1))-%.S.pvasm: $(pvasm-src)%.S
	$$(if $$(filter quiet_,$$(quiet)),@echo '  PVASM   $$(@D)/$(call pvasm-name,$(1))-$$*.S')
	@mkdir -p $$(@D)
	$$(Q)$$(PVASM) expand $$(PVASM_FLAGS) -i $(1) -o $(pvasm-obj)$(call pvasm-name,$(1))-$$*.S \
		--depfile $$@.d --depfile-phony --stamp $$@ $$<

.PRECIOUS: $(pvasm-obj)$(call pvasm-name,$(1))-%.S $(pvasm-obj).$(call pvasm-name,$(1))-%.S.pvasm
endef

$(foreach instance,$(PVASM_INSTANCES),$(eval $(call pvasm-rules,$(instance))))

-include $(wildcard $(pvasm-obj).*.S.pvasm.d)

# Where somebody has removed a variant, or what is known of its dependencies, its stamp tells nothing.
.PHONY: pvasm-again
pvasm-again:
$(foreach stamp,$(wildcard $(pvasm-obj).*.S.pvasm),$(if $(and \
	$(wildcard $(patsubst $(pvasm-obj).%.pvasm,$(pvasm-obj)%,$(stamp))),$(wildcard $(stamp).d)),,$(eval \
	$(stamp): pvasm-again)))

# $(call pvasm-variants,SOURCES): the objects of the variants, relative to $(obj). Files that a makefile mentions are made
# again when they are gone; others only when what is made of them is out of date.
pvasm-variants = $(foreach instance,$(PVASM_INSTANCES),$(foreach source,$(1),$(call \
	pvasm-variant,$(call pvasm-name,$(instance))-$(basename $(source)))))
pvasm-variant = $(eval .pvasm-mentioned: $(pvasm-obj)$(1).S $(pvasm-obj).$(1).S.pvasm)$(eval \
	clean-files += $(1).S .$(1).S.pvasm .$(1).S.pvasm.d)$(1).o

.DEFAULT_GOAL := $(pvasm-goal)
