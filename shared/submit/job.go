package submit

import (
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"

	"example.org/token-helpers/shared/text"
)

// commands are the attributes of the job's ClassAd that are read, and the commands that set
// them. The name of the attribute is also accepted as the command.
var commands = []struct{ attribute, command string }{
	{"TransferInput", "transfer_input_files"},
	{"TransferOutput", "transfer_output_files"},
	{"TransferOutputRemaps", "transfer_output_remaps"},
	{"OutputDestination", "output_destination"},
	{"CheckpointDestination", "checkpoint_destination"},
	{"ContainerImage", "container_image"},
	{"TransferPlugins", "transfer_plugins"},
	{"In", "input"},
	{"Out", "output"},
	{"Err", "error"},
	{"GridResource", "grid_resource"},
}

// streams are other names of the commands for the standard streams.
var streams = map[string]string{"In": "stdin", "Out": "stdout", "Err": "stderr"}

// job evaluates the commands for the current job.
func (r *reader) job() (Job, error) {
	j := Job{Proc: r.file.Total, Attributes: map[string]string{}}
	values := map[string]Value{}
	for _, c := range commands {
		v, ok, err := r.attribute(c.attribute, c.command)
		if other := streams[c.attribute]; err == nil && !ok && other != "" {
			v, ok, err = r.macros.get(other)
		}
		if err != nil {
			return j, err
		}
		if ok && v.Text != "" {
			values[c.attribute] = v
		}
	}
	grid, err := r.grid(&j, values)
	if err != nil {
		return j, err
	}
	if !grid {
		delete(values, "GridResource")
	}
	if j.Needs, err = r.needs(); err != nil {
		return j, err
	}
	if err := r.unrequested(j); err != nil {
		return j, err
	}
	if !grid { // HTCondor transfers no URLs for jobs of the grid universe
		if err := r.transfersFiles(values); err != nil {
			return j, err
		}
		j.Transfers = r.transfers(values)
	}
	for name, v := range values {
		j.Attributes[name] = quote(v.Text)
	}
	if lists := values["TransferInput"]; lists.Text != "" {
		j.Attributes["TransferInput"] = quote(strings.Join(split(lists.Text), ","))
	}
	if lists := values["TransferOutput"]; lists.Text != "" {
		j.Attributes["TransferOutput"] = quote(strings.Join(split(lists.Text), ","))
	}
	if remaps, ok := values["TransferOutputRemaps"]; ok {
		j.Attributes["TransferOutputRemaps"] = quote(strings.Trim(remaps.Text, `"`))
	}
	if len(j.Needs) > 0 {
		j.Attributes["OAuthServicesNeeded"] = quote(strings.Join(j.Needs, ","))
	}
	return j, r.custom(&j)
}

// transfersFiles rejects transfer_input_files if should_transfer_files is NO.
func (r *reader) transfersFiles(values map[string]Value) error {
	should, _, err := r.macros.get("should_transfer_files", "ShouldTransferFiles")
	if err != nil {
		return err
	}
	in, ok := values["TransferInput"]
	if on, isBool := truth(should.Text); ok && isBool && !on && should.Text != "" && len(split(in.Text)) > 0 {
		return &Error{At: in.At, Problem: "the job has transfer_input_files, but should_transfer_files is " + should.Text, Hint: "set should_transfer_files to YES, or remove it"}
	}
	return nil
}

// custom adds the attributes that +NAME and MY.NAME set.
func (r *reader) custom(j *Job) error {
	for _, key := range slices.Sorted(maps.Keys(r.macros.table)) {
		if strings.HasPrefix(key, "my.") {
			v, _, err := r.macros.get(key)
			if err != nil {
				return err
			}
			name, plus := strings.CutPrefix(r.macros.table[key].name, "+")
			if !plus {
				name = name[len("my."):]
			}
			j.Attributes[strings.TrimSpace(name)] = v.Text
		}
	}
	return nil
}

// attribute returns the text of a job attribute, which +NAME, MY.NAME or a submit command
// sets.
func (r *reader) attribute(attribute, command string) (Value, bool, error) {
	v, ok, err := r.macros.get("my." + attribute)
	if err != nil || ok {
		if text, isString := unquote(v.Text); isString {
			v.Text = text
		} else if err == nil {
			err = &Error{At: v.At, Problem: "+" + attribute + " is an expression, which is not evaluated here", Hint: "use the command " + command}
		}
		return v, ok, err
	}
	return r.macros.get(command, attribute)
}

// unquote returns the text of a ClassAd string.
func unquote(s string) (string, bool) {
	if len(s) < 2 || s[0] != '"' || s[len(s)-1] != '"' {
		return "", false
	}
	s = s[1 : len(s)-1]
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] == '"' {
			return "", false
		}
		if s[i] == '\\' && i+1 < len(s) && (s[i+1] == '"' || s[i+1] == '\\') {
			i++
		}
		b.WriteByte(s[i])
	}
	return b.String(), true
}

func quote(s string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(s) + `"`
}

// split splits a list of files, as condor_submit does.
func split(list string) []string {
	var out []string
	for f := range strings.SplitSeq(list, ",") {
		if f = strings.TrimSpace(f); f != "" {
			out = append(out, f)
		}
	}
	return out
}

// gridTypes are the words that grid_resource can begin with.
var gridTypes = []string{"condor", "batch", "arc", "ec2", "gce", "azure"}

// grid reads the destination of a job of the grid universe and its token.
func (r *reader) grid(j *Job, values map[string]Value) (bool, error) {
	u, ok, err := r.macros.get("universe", "JobUniverse")
	if err != nil || !ok || !strings.EqualFold(u.Text, "grid") && u.Text != "9" {
		return false, err
	}
	where, ok := values["GridResource"]
	if !ok {
		return true, &Error{At: u.At, Problem: "a job of the grid universe needs the command grid_resource", Hint: "add grid_resource = condor SCHEDD CE.EXAMPLE.ORG:9619"}
	}
	if err := r.gridToken(j); err != nil {
		return true, err
	}
	words := strings.Fields(where.Text)
	if kind := strings.ToLower(words[0]); !slices.Contains(gridTypes, kind) {
		return true, &Error{At: where.At, Problem: fmt.Sprintf("%q is not a type of grid", brief(words[0])), Hint: "write one of " + strings.Join(gridTypes, ", ") + " first, without quotation marks"}
	} else if kind != "condor" {
		return true, nil
	}
	if len(words) < 3 {
		return true, &Error{At: where.At, Problem: "grid_resource does not name the collector", Hint: "write it as grid_resource = condor SCHEDD CE.EXAMPLE.ORG:9619"}
	}
	j.Collector = Value{words[2], where.At}
	return true, nil
}

// gridToken reads which file contains the token for the CE.
func (r *reader) gridToken(j *Job) error {
	use, hasUse, err := r.macros.get("use_scitokens", "use_scitoken")
	if err != nil {
		return err
	}
	file, hasFile, err := r.attribute("ScitokensFile", "scitokens_file")
	if err != nil {
		return err
	}
	on, isBool := truth(use.Text)
	auto := strings.EqualFold(use.Text, "auto")
	switch {
	case hasUse && !auto && !isBool:
		return &Error{At: use.At, Problem: "use_scitokens is neither true, false nor auto"}
	case hasUse && !auto && !on:
		return nil
	case !hasUse && !hasFile:
		return nil
	}
	if !hasFile {
		env, _ := r.Getenv("BEARER_TOKEN_FILE")
		if env == "" && on {
			return &Error{At: use.At, Problem: "use_scitokens is true, but neither scitokens_file nor the environment variable BEARER_TOKEN_FILE names a file", Hint: "add scitokens_file = FILE"}
		}
		file = Value{env, use.At}
	}
	if file.Text == "" {
		return nil
	}
	if !path.IsAbs(file.Text) {
		dir, _, err := r.macros.get("initialdir", "initial_dir", "Iwd")
		if err != nil {
			return err
		}
		if dir.Text == "" || !path.IsAbs(dir.Text) {
			dir.Text = path.Join(r.Dir, dir.Text)
		}
		file.Text = path.Join(dir.Text, file.Text)
	}
	j.TokenFile = file
	j.Attributes["ScitokensFile"] = quote(file.Text)
	return nil
}

var oauthCommand = text.Pattern{Expr: `^(.+)_oauth_(permissions|resource|options)(?:_(.*))?$`}

// services returns the services that the job uses, sorted, in their first spelling.
func (r *reader) services() ([]string, Value, error) {
	v, _, err := r.macros.get("use_oauth_services", "UseOAuthServices")
	list := strings.FieldsFunc(v.Text, separator)
	slices.SortStableFunc(list, foldCompare)
	return slices.CompactFunc(list, strings.EqualFold), v, err
}

func foldCompare(a, b string) int { return strings.Compare(text.LowerASCII(a), text.LowerASCII(b)) }

// handle is the name of a credential, such as mysvc or mysvc*ce, and its first command.
type handle struct {
	name string
	at   Position
}

// handles returns the credentials of the services, sorted. Each has the case of its first
// command in the order of names, as in condor_submit (measured on 23.9.6 and 25.14.1).
func (r *reader) handles() ([]handle, error) {
	services, use, err := r.services()
	if err != nil {
		return nil, err
	}
	var out []handle
	for _, s := range services {
		found := false
		for _, key := range slices.Sorted(maps.Keys(r.macros.table)) {
			m := oauthCommand.Get().FindStringSubmatch(key)
			if m == nil || !strings.EqualFold(m[1], s) {
				continue
			}
			found = true
			given := r.macros.table[key].name
			h := handle{given[:len(m[1])], r.macros.table[key].at}
			if strings.HasPrefix(key, m[1]+"_oauth_"+m[2]+"_") {
				h.name += "*" + given[len(given)-len(m[3]):]
			}
			i := slices.IndexFunc(out, func(o handle) bool { return strings.EqualFold(o.name, h.name) })
			switch {
			case i < 0:
				out = append(out, h)
			case h.at.File == out[i].at.File && h.at.Line < out[i].at.Line:
				out[i].at = h.at
			}
		}
		if !found {
			out = append(out, handle{s, use.At})
		}
	}
	slices.SortFunc(out, func(a, b handle) int { return foldCompare(a.name, b.name) })
	return out, nil
}

// needs returns the credentials that the current job needs.
func (r *reader) needs() ([]string, error) {
	v, ok, err := r.attribute("OAuthServicesNeeded", "OAuthServicesNeeded")
	if err != nil {
		return nil, err
	}
	if ok {
		return strings.FieldsFunc(v.Text, separator), nil
	}
	all, err := r.handles()
	var out []string
	for _, h := range all {
		out = append(out, h.name)
	}
	return out, err
}

// credentials returns the credentials that condor_submit requests.
func (r *reader) credentials() ([]Credential, error) {
	all, err := r.handles()
	if err != nil {
		return nil, err
	}
	var out []Credential
	for _, h := range all {
		service, handle, hasHandle := strings.Cut(h.name, "*")
		c := Credential{Service: service, Handle: handle, At: h.at}
		if hasHandle && handle == "" {
			r.note(Note{At: c.At, Text: "the name of the command ends with an underscore, so that a token with an empty handle is requested without permissions", Breaks: true,
				Hint: "remove the underscore, or set the macro that stands for the handle above this line"})
		}
		scopes, _, err := r.macros.get(c.Command("permissions"))
		if err != nil {
			return nil, err
		}
		c.Permissions = scopes.Text
		c.Scopes = strings.FieldsFunc(scopes.Text, separator)
		aud, _, err := r.macros.get(c.Command("resource"))
		if err != nil {
			return nil, err
		}
		c.Audience = aud.Text
		out = append(out, c)
	}
	return out, r.ignored()
}

// ignored notes commands for services that the job does not use.
func (r *reader) ignored() error {
	services, _, err := r.services()
	if err != nil {
		return err
	}
	for _, key := range slices.Sorted(maps.Keys(r.macros.table)) {
		m := oauthCommand.Get().FindStringSubmatch(key)
		if m != nil && !slices.ContainsFunc(services, func(s string) bool { return strings.EqualFold(s, m[1]) }) {
			v := r.macros.table[key]
			r.note(Note{At: v.at, Text: v.name + " has no effect, because use_oauth_services does not name " + m[1], Hint: "add " + m[1] + " to use_oauth_services"})
		}
	}
	return nil
}

// unrequested notes credentials that the job needs but condor_submit does not request:
// condor_submit requests those of the first job, before it sets the variables of the first
// item of the queue statement.
func (r *reader) unrequested(j Job) error {
	for _, name := range j.Needs {
		known := slices.ContainsFunc(r.file.Credentials, func(c Credential) bool {
			return name == c.Service+"*"+c.Handle || name == c.Service && c.Handle == ""
		})
		if known {
			continue
		}
		at := r.queuedAt
		if v, ok, err := r.macros.get("use_oauth_services", "UseOAuthServices", "my.OAuthServicesNeeded"); err == nil && ok {
			at = v.At
		}
		n := Note{At: at, Breaks: true, Text: "the job needs the credential " + strings.Replace(name, "*", "_", 1) + ", which condor_submit does not request",
			Hint: "name all services and handles above the first queue statement, without variables of the queue statement"}
		if !slices.Contains(r.file.Notes, n) {
			r.note(n)
		}
	}
	return nil
}

// scheme matches the scheme of a URL. HTCondor treats a URL whose scheme contains an
// underscore as a local file.
var scheme = text.Pattern{Expr: `^([A-Za-z][A-Za-z0-9+.-]*)://`}

var underscored = text.Pattern{Expr: `^([A-Za-z][A-Za-z0-9.-]*(?:_[A-Za-z0-9_.-]*)+)\+[a-z0-9]+://`}

// tokenless are schemes without tokens: local files, and images that the execution point
// fetches.
var tokenless = []string{"file", "docker"}

// transfersContainer reports whether the container's image is transferred.
func (r *reader) transfersContainer() bool {
	v, _, err := r.macros.get("transfer_container", "TransferContainer")
	on, isBool := truth(v.Text)
	return err != nil || v.Text == "" || !isBool || on
}

// transfers returns the URLs that HTCondor transfers files from and to.
func (r *reader) transfers(values map[string]Value) []Transfer {
	var out []Transfer
	add := func(v Value, url string, write bool) {
		url = strings.TrimSpace(url)
		if m := underscored.Get().FindStringSubmatch(url); m != nil {
			n := Note{At: v.At, Breaks: true, Text: "HTCondor does not recognize " + m[1] + "+ in front of a URL, because a scheme cannot contain an underscore",
				Hint: "write a dot for the underscore: " + strings.ReplaceAll(m[1], "_", ".") + url[len(m[1]):]}
			if !slices.Contains(r.file.Notes, n) {
				r.note(n)
			}
			return
		}
		m := scheme.Get().FindStringSubmatch(url)
		if m == nil || slices.Contains(tokenless, strings.ToLower(m[1])) {
			return
		}
		t := Transfer{URL: url, Given: url, Write: write, At: v.At}
		if i := strings.LastIndexByte(m[1], '+'); i >= 0 {
			t.Credential, t.URL = strings.ReplaceAll(m[1][:i], ".", "_"), url[i+1:]
		}
		if !slices.Contains(out, t) {
			out = append(out, t)
		}
	}
	for _, f := range split(values["TransferInput"].Text) {
		add(values["TransferInput"], f, false)
	}
	add(values["In"], values["In"].Text, false)
	if r.transfersContainer() {
		add(values["ContainerImage"], values["ContainerImage"].Text, false)
	}
	for _, name := range []string{"Out", "Err", "CheckpointDestination"} {
		add(values[name], values[name].Text, true)
	}
	remaps := values["TransferOutputRemaps"]
	for m := range strings.SplitSeq(strings.Trim(remaps.Text, `"`), ";") {
		if _, to, ok := strings.Cut(m, "="); ok {
			add(remaps, to, true)
		}
	}
	if dir := values["OutputDestination"]; dir.Text != "" {
		files := split(values["TransferOutput"].Text)
		for _, f := range files {
			add(dir, strings.TrimSuffix(dir.Text, "/")+"/"+path.Base(f), true)
		}
		if len(files) == 0 {
			add(dir, dir.Text, true)
		}
	}
	return out
}
