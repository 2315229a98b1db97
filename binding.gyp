# For `node-gyp rebuild` and prebuildify: hands over to the build that `npm install` runs here, with cmake-js. It makes
# build/Release and the addon of the tests anew after node-gyp has emptied build/. The package on npm has prebuilt
# binaries, and neither this file nor an install script.
{
  "targets": [
    {
      "target_name": "clip_blip",
      "type": "none",
      "actions": [
        {
          "action_name": "prepare",
          "message": "cmake-js builds the addon",
          "inputs": ["CMakeLists.txt"],
          "outputs": ["<(PRODUCT_DIR)/clip_blip.node"],
          "action": ["node", "scripts/prepare.mjs", "--build"]
        }
      ]
    }
  ]
}
