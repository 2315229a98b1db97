{
  # No build of its own: node-gyp, and prebuildify through it, end in the same CMake build as
  # scripts/build-addon.mjs, which puts its products into build/Release. LibTorch is the one of the
  # LIBTORCH variable.
  "targets": [
    {
      "target_name": "clip_blip",
      "type": "none",
      "actions": [
        {
          "action_name": "build_addon",
          "message": "Building the addon with CMake",
          "inputs": ["scripts/build-addon.mjs", "CMakeLists.txt"],
          "outputs": ["<(PRODUCT_DIR)/clip_blip.node", "<(PRODUCT_DIR)/clip_blip_torch.so"],
          "action": ["node", "scripts/build-addon.mjs"]
        }
      ]
    }
  ]
}
