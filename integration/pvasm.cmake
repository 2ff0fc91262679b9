# Variants of assembly sources, for CMake (3.20 or later).
#
#     execute_process(COMMAND pvasm --integration-dir OUTPUT_VARIABLE folder OUTPUT_STRIP_TRAILING_WHITESPACE)
#     include(${folder}/pvasm.cmake)
#     pvasm_add_variants(kernel INSTANCES native xen SOURCES ivt.S entry.S)
#
# The target gets a variant of each source for each instance: `native/ivt.S', `xen/ivt.S' and so on below the folder
# `pvasm/TARGET' of the build. A variant is made again when its source or one of the instance's files has changed; where
# nothing in it has changed, nothing that depends on it is made again.
#
# INSTANCES   names of instances, and files of your own (mine.yaml)
# SOURCES     assembly sources, relative to the current source folder
# OPTIONS     options of `pvasm expand'                 [--line-markers --define]
# PVASM       the command, a cache variable             [pvasm]

set(PVASM pvasm CACHE STRING "The command pvasm")

function(pvasm_add_variants target)
  cmake_parse_arguments(PARSE_ARGV 1 given "" "" "INSTANCES;SOURCES;OPTIONS")
  if(NOT given_INSTANCES OR NOT given_SOURCES OR given_UNPARSED_ARGUMENTS)
    message(FATAL_ERROR "usage: pvasm_add_variants(TARGET INSTANCES NAME... SOURCES FILE... [OPTIONS OPTION...])")
  endif()
  if(NOT given_OPTIONS)
    set(given_OPTIONS --line-markers --define)
  endif()
  set(stamps)
  set(names)
  foreach(instance IN LISTS given_INSTANCES)
    set(name ${instance})
    if(instance MATCHES "/|\\.ya?ml$")
      get_filename_component(name ${instance} NAME_WLE)
      get_filename_component(instance ${instance} ABSOLUTE)
    endif()
    if(name IN_LIST names)
      message(FATAL_ERROR "pvasm_add_variants: two instances are called ${name}, and would make the same files")
    endif()
    list(APPEND names ${name})
    foreach(source IN LISTS given_SOURCES)
      get_filename_component(source ${source} ABSOLUTE)
      get_filename_component(base ${source} NAME)
      get_filename_component(beside ${source} DIRECTORY)
      set(folder ${CMAKE_CURRENT_BINARY_DIR}/pvasm/${target}/${name})
      set(variant ${folder}/${base})
      # The stamp is what the build goes by: it is written at the end of each run, while the variant keeps its time if it
      # is right already, as BYPRODUCTS may.
      add_custom_command(
        OUTPUT ${variant}.stamp
        BYPRODUCTS ${variant}
        COMMAND ${CMAKE_COMMAND} -E make_directory ${folder}
        COMMAND ${PVASM} expand ${given_OPTIONS} -i ${instance} -o ${variant}
                --depfile ${variant}.d --depfile-phony --stamp ${variant}.stamp ${source}
        DEPENDS ${source}
        DEPFILE ${variant}.d
        COMMENT "Expanding ${base} for ${name}"
        VERBATIM)
      list(APPEND stamps ${variant}.stamp)
      set_source_files_properties(${variant} PROPERTIES GENERATED TRUE COMPILE_OPTIONS "-iquote;${beside}")
      target_sources(${target} PRIVATE ${variant})
      # CMake's own look for headers, with the generator for make, minds no -iquote.
      target_include_directories(${target} PRIVATE ${beside})
    endforeach()
  endforeach()
  # A target of its own, so that all variants are up to date before the first object is looked at.
  add_custom_target(${target}-variants DEPENDS ${stamps})
  add_dependencies(${target} ${target}-variants)
endfunction()
