" Configuration templates of forgather_hydra: statements, block headers and tags over YAML.
if exists("b:current_syntax")
  finish
endif

runtime! syntax/yaml.vim
unlet! b:current_syntax

syntax region forgatherString start=/'/ end=/'/ contained oneline
syntax region forgatherString start=/"/ end=/"/ contained oneline
syntax match forgatherWord /\<\(super\|in\|not\|and\|or\|is\|if\|else\)\>/ contained
syntax match forgatherKeyword /\<\(extends\|include\|import\|from\|\(end\)\?\(block\|if\|for\|set\|macro\|filter\|call\|with\|raw\|autoescape\)\|elif\|else\)\>/ contained
syntax match forgatherTrailing /[ \t]##.*$/ contained
syntax cluster forgatherCode contains=forgatherString,forgatherWord,forgatherKeyword,forgatherTrailing

syntax match forgatherStatement /^\s*\(--\|<<\|>>\)\s\+.*$/ contains=@forgatherCode
syntax match forgatherPrint /^\s*\(==\|=>\)\s\+.*$/ contains=@forgatherCode
syntax region forgatherExpression start=/{{/ end=/}}/ contains=@forgatherCode containedin=ALLBUT,forgatherComment oneline
syntax region forgatherExpression start=/{%/ end=/%}/ contains=@forgatherCode containedin=ALLBUT,forgatherComment oneline
syntax match forgatherHeader /^\s*\[\w\+!\?\]\s*$/
syntax match forgatherTag /!\([a-z]\+\)\(:[^ \t@]\+\)\?\(@[A-Za-z0-9_.]\+\)\?\ze\(\s\|$\)/ containedin=ALLBUT,forgatherComment,forgatherString
syntax match forgatherComment /^\s*##.*$/
syntax match forgatherMarker /^#\{1,2}\s*-\{3,}\s*[A-Za-z0-9_.\/]\+\s*-\{3,}\s*$/

highlight default link forgatherStatement PreProc
highlight default link forgatherPrint PreProc
highlight default link forgatherExpression PreProc
highlight default link forgatherKeyword Statement
highlight default link forgatherWord Operator
highlight default link forgatherString String
highlight default link forgatherHeader Label
highlight default link forgatherMarker Label
highlight default link forgatherTag Type
highlight default link forgatherComment Comment
highlight default link forgatherTrailing Comment

let b:current_syntax = "forgather"
