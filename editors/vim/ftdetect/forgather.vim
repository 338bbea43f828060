" A YAML file is a template if its first statement says so.
autocmd BufNewFile,BufRead *.yaml if search('^\s*\(--\|<<\|>>\)\s\+\(extends\|include\|import\|from\|set\|block\)\>', 'nw') || search('^\[\w\+!\?\]\s*$', 'nw') | set filetype=forgather | endif
