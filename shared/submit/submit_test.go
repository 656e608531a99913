package submit

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
)

// world is the file system of the tests.
var world = fstest.MapFS{
	"d/list.txt":   {Data: []byte("a1, b1\n# comment?\na2 b2\n  a3,b3 with more\n")},
	"d/common.inc": {Data: []byte("inc = from-include\n")},
	"d/loop.inc":   {Data: []byte("include : loop.inc\n")},
	"d/queue.inc":  {Data: []byte("queue\n")},
	"d/subdir/x":   {},
}

func read(text string) (*File, error) {
	env := map[string]string{"HOME": "/home/tester"}
	return Read("job.sub", []byte(text), Options{Dir: "/d", FS: world, Getenv: func(k string) (string, bool) {
		v, ok := env[k]
		return v, ok
	}})
}

// TestAttributes compares the jobs' attributes with those of condor_submit -dry-run,
// HTCondor 23.9.6. The attributes of one job are on one line.
func TestAttributes(t *testing.T) {
	tests := []struct{ name, text, want string }{
		{"a macro that refers to itself", "a = one\na = $(a) two\nb = $(A)-$(undef)-$(undef:dflt)-$(undef:$(a))\n+Out1 = \"$(b)\"\nqueue", `Out1="one two--dflt-one two"`},
		{"a macro that only refers to itself", "a = $(a)\n+A = \"$(a)\"\nqueue", `A=""`},
		{"the environment", "MY.Out2 = \"$ENV(HOME)|$ENV(NOPE)|$ENV(NOPE:xx)\"\nqueue", `Out2="/home/tester|UNDEFINED|xx"`},
		{"functions", "+out3 = \"$F(x)|$INT(n)|$(DOLLAR)(x)|$$(Arch)|$SUBSTR(a,1,2)|$CHOICE(1,p,q,r)\"\na=one two\nn = 3 + 4\nx = /tmp/foo.txt\nqueue", `out3="/tmp/foo.txt|7|$(x)|$$(Arch)|ne|q"`},
		{"parts of a file's name", "+A = \"$(n:a b) $F(p:d) $Fnx(p) $Fp(p) $BASENAME(p) $DIRNAME(p) $Fn(p)\"\np = /a/b/c.tar.gz\nqueue", `A="a b  c.tar.gz /a/b/ c.tar.gz /a/b/ c.tar"`},
		{"a continued line", "+Foo = \"a\\\nb\"\n# comment \\\n+Bar = \"x\"\n+Baz = \"y\" \\\n\n+Quux = \"z\"\nqueue", `Bar="x" Baz="y" Foo="ab" Quux="z"`},
		{"conditions", "v = true\nif $(v)\n+A = 1\nelse\n+A = 2\nendif\nif defined nope\n+B = 1\nelif defined v\n+B = 2\nendif\nif version >= 8.1\n+C = 1\nendif\n" +
			"if ! $(v)\n+D = 1\nelse\n if defined v\n+D = 2\n endif\nendif\nif $(n)\n+E = 1\nelse\n+E = 2\nendif\nqueue", `A=1 B=2 C=1 D=2 E=2`},
		{"an include", "include : /d/common.inc\n+I = \"$(inc)\"\nqueue", `I="from-include"`},
		{"an include in the current directory", "include : common.inc\ninclude ifexist : nothere.inc\n+I = \"$(inc)\"\nqueue", `I="from-include"`},
		{"a list over several lines", "+I = \"$(Item)|$(ItemIndex)|$(Row)|$(Step)|$(Process)|$(ProcId)|$(Cluster)\"\nqueue 2 in (\na, b c\nd\n)",
			"I=\"a|0|0|0|0|0|1\"\nI=\"a|0|0|1|1|1|1\"\nI=\"b|1|1|0|2|2|1\"\nI=\"b|1|1|1|3|3|1\"\nI=\"c|2|2|0|4|4|1\"\nI=\"c|2|2|1|5|5|1\"\nI=\"d|3|3|0|6|6|1\"\nI=\"d|3|3|1|7|7|1\""},
		{"a list without parentheses", "+I = \"$(x)\"\nqueue x in a, b c", "I=\"a\"\nI=\"b\"\nI=\"c\""},
		{"a trailing comma", "+A = \"$(x)\"\nqueue x, in (1,2)", "A=\"1\"\nA=\"2\""},
		{"items from a file", "+I = \"$(x)|$(y)\"\nqueue x,y from /d/list.txt", "I=\"a1|b1\"\nI=\"#|comment?\"\nI=\"a2|b2\"\nI=\"a3|b3 with more\""},
		{"whole lines from a file", "+I = \"$(Item)\"\nqueue from list.txt", "I=\"a1, b1\"\nI=\"# comment?\"\nI=\"a2 b2\"\nI=\"a3,b3 with more\""},
		{"inline items", "+I = \"$(x)|$(y)\"\nqueue x,y from (\n p1, q1\n # hash\n p2 q2 r2\n)", "I=\"p1|q1\"\nI=\"p2|q2 r2\""},
		{"file names", "+I = \"$(f)\"\nqueue f matching files list*, *.inc", "I=\"list.txt\"\nI=\"common.inc\"\nI=\"loop.inc\"\nI=\"queue.inc\""},
		{"a slice of a list", "+I = \"$(Item)\"\nqueue in [1:3] (a,b,c,d)", "I=\"b\"\nI=\"c\""},
		{"a slice with a step", "+I = \"$(Item)\"\nqueue from [::2] (\na b\nc\nd\n)", "I=\"a b\"\nI=\"d\""},
		{"a number that is computed", "n = 2\n+I=$(Process)\nqueue $(n)+1", "I=0\nI=1\nI=2"},
		{"a value of several lines", "x @=end\nline1\nline2 $(Process)\n@end\n+X = \"$(x)\"\nqueue", "X=\"line1\nline2 0\""},
		{"spelling", "  +My   =   \"a\"\nMY.Foo=1\nUniverse=Vanilla\nQueue", `Foo=1 My="a"`},
		{"an unclosed reference", "a = $(b\n+X = \"$(a)\"\nqueue", `X="$(b"`},
		{"nested references", "+A = \"$$(x) $(a$(b)) $(DOLLAR)\"\nab = 1\nb = b\nqueue", `A="$$(x) 1 $"`},
		{"lists of files", "transfer_input_files = a, b , https://x/$(Process)/y?z=a;b,  root://q\ntransfer_output_files = o1, o2\ntransfer_output_remaps = \"o1 = https://x/y/o1; o2 = root://h//p;o3=local\"\noutput_destination = https://x/out/\nqueue 2",
			"OutputDestination=\"https://x/out/\" TransferInput=\"a,b,https://x/0/y?z=a;b,root://q\" TransferOutput=\"o1,o2\" TransferOutputRemaps=\"o1 = https://x/y/o1; o2 = root://h//p;o3=local\"\n" +
				"OutputDestination=\"https://x/out/\" TransferInput=\"a,b,https://x/1/y?z=a;b,root://q\" TransferOutput=\"o1,o2\" TransferOutputRemaps=\"o1 = https://x/y/o1; o2 = root://h//p;o3=local\""},
		{"an attribute of the job", "transfer_input_files = a\n+TransferInput = \"https://over/ride\"\nqueue", `TransferInput="https://over/ride"`},
		{"credentials", "use_oauth_services = mysvc other,third\nmysvc_oauth_permissions = a\nmysvc_oauth_permissions_ce = b, c d\nMYSVC_OAuth_Resource_CE = X\nother_oauth_resource_h = Y\nthird_oauth_options = opt\nqueue",
			`OAuthServicesNeeded="mysvc,mysvc*ce,other*h,third"`},
		{"unusual handles", "use_oauth_services = MySvc\nmysvc_oauth_permissions_a_b = x\nmysvc_oauth_permissions_c.d = x\nmysvc_oauth_permissions_ = y\nqueue", `OAuthServicesNeeded="mysvc*,mysvc*a_b,mysvc*c.d"`},
		{"the case of a handle", "use_oauth_services = mysvc\nmysvc_oauth_permissions_CE = x\nqueue", `OAuthServicesNeeded="mysvc*CE"`},
		{"the case of a service", "use_oauth_services = mysvc, Other, oTHER\nMySvc_oauth_permissions_a = x\nMYSVC_oauth_resource_A = y\nMYSVC_oauth_permissions_b = z\nqueue", `OAuthServicesNeeded="MySvc*a,MYSVC*b,Other"`},
		{"the first spelling", "use_oauth_services = m\nM_OAUTH_PERMISSIONS_A = x\nm_oauth_permissions_a = y\n+Foo = 1\n+FOO = 2\nqueue", `Foo=2 OAuthServicesNeeded="M*A"`},
		{"a macro that refers to itself with a default", "x = a\nx = $(x:foo)z\ny = $(y:foo)\ny = $(Y:bar)b\nz =\nz = $(z:q)\n+A = \"$(x) $(y) $(z)\"\nqueue", `A="az foob q"`},
		{"padded numbers", "x = 7\nn = -3\n+A = \"$INT(x,%03d)|$INT(x,%5d)|$INT(x,%-5d)|$INT(n,%04d)|$INT(ProcId,%02d)|$INT(x,a%db)|$INT(x,%+d)\"\nqueue", `A="007|    7|7    |-003|00|a7b|+7"`},
		{"more parts of a file's name", "initialdir = /i\nf = a/b/c.tar.gz\ng = /x\nh = .hid\nk = /a/b/\n+A = \"$Fd(f) $Fdb(f) $Fpd(f) $Fxb(f) $Fnxb(f) $Fdn(f) $Fdbn(f) $Ff(f) $Ffp(f) $Fqa(f) $Fpq(f) $Fw(f) $Fddn(f)|$Fp(g) $Fd(g) $Fdb(g) $Fxb(g)|$Fn(h) $Fx(h)|$Fd(k) $Fn(k) $Fdb(k) $Fpb(k)\"\nqueue",
			`A="b/ b b/ gz c.tar.gz b/c.tar b/c.tar /i/a/b/c.tar.gz /i/a/b/ 'a/b/c.tar.gz' "a/b/" a\b\c.tar.gz a/b/c.tar|/ /  |.hid |b/  b /a/b"`},
		{"other names of the streams", "stdin = i\nstdout = o\nstderr = e\nqueue", `Err="e" In="i" Out="o"`},
		{"directories", "+I = \"$(d)\"\nqueue d matching dirs sub*", `I="subdir/"`},
		{"the job's ID", "+I = \"$(JobId)\"\nqueue 2", "I=\"1.0\"\nI=\"1.1\""},
		{"services with similar names", "use_oauth_services = my_svc, my\nmy_svc_oauth_permissions_h = x\nmy_oauth_resource = r\nqueue", `OAuthServicesNeeded="my,my_svc*h"`},
		{"a job for a CE", "universe = grid\ngrid_resource = condor ce@ce.example.org ce.example.org:9619\nuse_scitokens = true\nscitokens_file = /tmp/token\nqueue", `GridResource="condor ce@ce.example.org ce.example.org:9619" ScitokensFile="/tmp/token"`},
		{"a token's file in the current directory", "universe = grid\ngrid_resource = arc https://arc.example.org/\nscitokens_file = x.tok\nqueue", `GridResource="arc https://arc.example.org/" ScitokensFile="/d/x.tok"`},
		{"no token for the CE", "universe = grid\ngrid_resource = condor ce@h h:9619\nuse_scitokens = false\nscitokens_file = x\nqueue", `GridResource="condor ce@h h:9619"`},
		{"grid_resource without the universe", "grid_resource = condor ce@h h:9619\nqueue", ``},
	}
	for _, tt := range tests {
		f, err := read(tt.text + "\n")
		if err != nil {
			t.Errorf("%s: %v", tt.name, err)
			continue
		}
		var got []string
		for _, j := range f.Jobs {
			var list []string
			for _, name := range slices.Sorted(maps.Keys(j.Attributes)) {
				list = append(list, name+"="+j.Attributes[name])
			}
			got = append(got, strings.Join(list, " "))
		}
		if g := strings.Join(got, "\n"); g != tt.want {
			t.Errorf("%s:\n%s\nwant\n%s", tt.name, g, tt.want)
		}
	}
}

// TestMistakes checks which submit files are rejected, and at which line. condor_submit
// rejects them too, except those marked, which depend on commands or on the configuration of
// HTCondor, or for which condor_submit does not terminate.
func TestMistakes(t *testing.T) {
	tests := []struct{ text, want string }{
		{"# nothing\n", "job.sub:1: the submit file has no queue statement"},
		{"include : queue.inc\nqueue", "queue.inc:1: a queue statement is not allowed in an included file"},
		{"use_oauth_services = my-svc\nmy-svc_oauth_permissions = x\nqueue", `job.sub:2: "my-svc_oauth_permissions" is not the name of a submit command`},
		{"\ufeffa = 1\nqueue", `job.sub:1: "\ufeffa" is not the name of a submit command`},
		{"JOB A a.sub\nPARENT A CHILD B\n", `job.sub:1: "JOB A a.sub" is a line of a DAG file: this is not a submit file`},
		{"transfer_input_files = https://h/x\nshould_transfer_files = no\nqueue", "job.sub:1: the job has transfer_input_files, but should_transfer_files is no"},
		{"universe = grid\ngrid_resource = \"condor ce@h h:9619\"\nqueue", `job.sub:2: "\"condor" is not a type of grid`},
		{"universe = grid\ngrid_resource = slurm\nqueue", `job.sub:2: "slurm" is not a type of grid`},
		{"a = 1\nthis is no command\nqueue", `job.sub:2: "this is no command" is not a submit command`},
		{"a = 1\ninclude : nothere.inc\nqueue", "job.sub:2: could not read the included file nothere.inc: file does not exist"},
		{"include : loop.inc\nqueue", "loop.inc:1: more than 20 files include each other"},
		{"include command : /bin/echo a=1\nqueue", "job.sub:1: the submit file includes the output of a command, which is not run here"}, // marked
		{"include : /bin/echo a=1 |\nqueue", "job.sub:1: the submit file includes the output of a command, which is not run here"},       // marked
		{"use feature : GPUs\nqueue", "job.sub:1: a use statement depends on the configuration of HTCondor, which is not read"},
		{"queue 0", "job.sub:1: the queue statement queues no jobs"},
		{"queue matching *.dat", "job.sub:1: the queue statement queues no jobs"},
		{"queue x in (a\nb", "job.sub:1: the list of the queue statement is not closed"},
		{"queue from nothere.txt", "job.sub:1: could not read the items in nothere.txt: file does not exist"},
		{"queue from /bin/ls |", "job.sub:1: the items come from a command, which is not run here"}, // marked
		{"queue from", "job.sub:1: the queue statement names no file to read items from"},
		{"queue many", `job.sub:1: "many" is not a number of jobs`},
		{"x = 1\nif $(x) == 1\nendif\nqueue", `job.sub:2: "1 == 1" is not a valid condition`},
		{"if $(zzz) foo\nendif\nqueue", `job.sub:1: "foo" is not a valid condition`},
		{"if true\nqueue", "job.sub:2: the if statement has no endif"},
		{"else\nqueue", "job.sub:1: else without if"},
		{"if true\nelse\nelse\nendif\nqueue", "job.sub:3: else after else"},
		{"a = $(b)\nb = $(a)\ntransfer_input_files = $(a)\nqueue", "job.sub:3: the macro a refers to itself through b: condor_submit would never end"}, // marked
		{"transfer_input_files = $(OPSYS)\nqueue", "job.sub:1: $(OPSYS) comes from the configuration of HTCondor, which is not read"},                  // marked
		{"transfer_input_files = $RANDOM_CHOICE(a,b)\nqueue", "job.sub:1: $RANDOM_CHOICE(a,b) cannot be evaluated here"},                               // marked
		{"+TransferInput = strcat(\"a\",\"b\")\nqueue", "job.sub:1: +TransferInput is an expression, which is not evaluated here"},                     // marked
		{"x @=end\na\nqueue", "job.sub:1: the value of x is not closed"},
		{"universe = grid\nqueue", "job.sub:1: a job of the grid universe needs the command grid_resource"},
		{"universe = grid\ngrid_resource = condor h\nqueue", "job.sub:2: grid_resource does not name the collector"}, // marked: fails later
		{"universe = grid\ngrid_resource = condor h h:9619\nuse_scitokens = true\nqueue", "job.sub:3: use_scitokens is true, but neither scitokens_file nor the environment variable BEARER_TOKEN_FILE names a file"},
		{"universe = grid\ngrid_resource = condor h h:9619\nuse_scitokens = maybe\nqueue", "job.sub:3: use_scitokens is neither true, false nor auto"},
	}
	for _, tt := range tests {
		_, err := read(tt.text)
		var e *Error
		if !errors.As(err, &e) || err.Error() != tt.want {
			t.Errorf("%q: %v, want %s", tt.text, err, tt.want)
		}
	}
}

func TestCredentials(t *testing.T) {
	f, err := read("use_oauth_services = mysvc\nmysvc_oauth_permissions_ce = compute.read, compute.create\nMYSVC_oauth_resource_CE = ce.example.org:9619\nmysvc_oauth_permissions_se = read:/$(Item)\nqueue in (a, b)\n")
	if err != nil {
		t.Fatal(err)
	}
	got := fmt.Sprintf("%+v", f.Credentials)
	// The item is not set yet when condor_submit requests the tokens (measured on 23.9.6).
	want := "[{Service:mysvc Handle:ce Scopes:[compute.read compute.create] Audience:ce.example.org:9619 Permissions:compute.read, compute.create At:job.sub:2} {Service:mysvc Handle:se Scopes:[read:/] Audience: Permissions:read:/ At:job.sub:4}]"
	if got != want {
		t.Errorf("%s\nwant\n%s", got, want)
	}
}

func TestTransfers(t *testing.T) {
	f, err := read("transfer_input_files = a, mysvc.se+https://h/a, MySvc+root://h//c, osdf:///x/y, a.b+c+https://h/x\n" +
		"container_image = docker://h/i\ntransfer_output_files = out/1, 2\noutput_destination = mysvc.se+https://h/out/\ntransfer_output_remaps = \"3 = root://h//3\"\noutput = https://h/stdout\nqueue 2\n")
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, tr := range f.Jobs[1].Transfers {
		got = append(got, fmt.Sprintf("%s %s %t %s", tr.Credential, tr.URL, tr.Write, tr.At))
	}
	f2, err := read("container_image = osdf:///i.sif\ntransfer_container = false\nqueue\n")
	if err != nil || len(f2.Jobs[0].Transfers) != 0 {
		t.Errorf("a container that is not transferred: %v %v", f2, err)
	}
	// The names of the credentials' files were measured with curl_plugin of 23.9.6 and
	// 25.14.1.
	want := []string{"mysvc_se https://h/a false job.sub:1", "MySvc root://h//c false job.sub:1", " osdf:///x/y false job.sub:1", "a_b+c https://h/x false job.sub:1",
		" https://h/stdout true job.sub:6", " root://h//3 true job.sub:5", "mysvc_se https://h/out/1 true job.sub:4", "mysvc_se https://h/out/2 true job.sub:4"}
	if !slices.Equal(got, want) {
		t.Errorf("%q\nwant\n%q", got, want)
	}
}

func TestNotes(t *testing.T) {
	tests := []struct{ text, want string }{
		{"a = b \\\n# c\nqueue", "job.sub:1 true a comment inside a continued line ends it, and condor_submit 23.9.6 appends a part of the comment to the value"},
		{"a = 1\n", "job.sub:1 false the submit file has no queue statement: HTCondor 25 queues one job, and earlier versions reject it"},
		{"queue\nqueue", "job.sub:2 false HTCondor 24 and later reject a submit file with anything after its queue statement"},
		{"queue x,y from (\na\n)", "job.sub:1 false the item 1 of the queue statement has fewer values than variables, which versions of HTCondor read differently"},
		{"use_oauth_services = a\nb_oauth_permissions = x\nqueue", "job.sub:2 false b_oauth_permissions has no effect, because use_oauth_services does not name b"},
		{"use_oauth_services = a\na_oauth_permissions_$(h) = x\nqueue", "job.sub:2 true the name of the command ends with an underscore, so that a token with an empty handle is requested without permissions"},
		{"use_oauth_services = $(Item)\nqueue in (p)", "job.sub:1 true the job needs the credential p, which condor_submit does not request"},
		{"+OAuthServicesNeeded = \"a*b\"\nqueue", "job.sub:1 true the job needs the credential a_b, which condor_submit does not request"},
		{"transfer_input_files = my_svc_se+https://h/a\nqueue", "job.sub:1 true HTCondor does not recognize my_svc_se+ in front of a URL, because a scheme cannot contain an underscore"},
	}
	for _, tt := range tests {
		f, err := read(tt.text)
		if err != nil {
			t.Errorf("%q: %v", tt.text, err)
			continue
		}
		var got []string
		for _, n := range f.Notes {
			got = append(got, fmt.Sprintf("%s %t %s", n.At, n.Breaks, n.Text))
			if n.Hint == "" {
				t.Errorf("%q: no hint", tt.text)
			}
		}
		if len(got) != 1 || got[0] != tt.want {
			t.Errorf("%q: %q, want %q", tt.text, got, tt.want)
		}
	}
}

// Letters whose lower case is longer do not matter.
func TestCustomAttributes(t *testing.T) {
	f, err := read("+ȺȺ = 1\nMY.Abc = 2\n+aBC = 3\n+D = 4\nqueue\n")
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]string{"ȺȺ": "1", "Abc": "3", "D": "4"}
	if got := f.Jobs[0].Attributes; !maps.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
}

// TestMany checks that at most MaxJobs jobs are kept.
func TestMany(t *testing.T) {
	f, err := read("queue 2000000000\n")
	if err != nil || f.Total != 2_000_000_000 || len(f.Jobs) != MaxJobs {
		t.Fatal(err)
	}
}

func FuzzRead(f *testing.F) {
	for _, s := range []string{"a = $(b)\nqueue x,y from (\n1 2\n)\n", "if defined x\nelif version >= 1.2\nelse\nendif\nqueue 2 in [1:2:3] a b\n",
		"use_oauth_services = a\na_oauth_permissions_b = $SUBSTR(x,-1,2) $INT(1+(2*3)%4) $CHOICE(1,a,b) $Fpnq(x)\nqueue", "x @=e\n@e\n+A = \"\\\"\"\nqueue 1",
		"a=$(b)$(b)\nb=$(c)$(c)\nc=$(d)$(d)\ntransfer_input_files = $(a), mysvc.x+https://h/\nuniverse=grid\ngrid_resource=condor a b\nqueue matching files *.txt"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		file, err := read(s)
		if err != nil {
			if err.Error() == "" {
				t.Fatal("an error has no message")
			}
			return
		}
		if file.Total == 0 || len(file.Jobs) > MaxJobs {
			t.Fatalf("%d jobs of %d", len(file.Jobs), file.Total)
		}
	})
}
