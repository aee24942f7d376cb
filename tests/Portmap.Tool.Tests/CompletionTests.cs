namespace Portmap.Tool.Tests;

/// <summary>The words that a shell is offered, and what the shells themselves make of them.</summary>
public sealed class CompletionTests : ToolTest
{
    private Tmux? _terminal;

    /// <summary>Owners of which a shell would make something else, each with another first letter,
    /// and what is typed of them.</summary>
    private static readonly (string Owner, string Typed)[] s_hostile =
    [
        ("a$(touch hit)", "a"), ("b`touch hit`", "b"), ("c;touch hit", "c"), ("d*", "d"), ("eit's", "e"), ("f \\\"q", "f"), ("g!1", "g"), ("h~&|<>#{a,b}[c]", "h"),
    ];

    /// <summary>The same, begun within a quote.</summary>
    private static readonly (string Owner, string Typed)[] s_quoted =
    [
        ("i$(touch hit):/b", "i\\$\\(touch\\ hit\\):/"), ("j$(touch hit):/b", "'j$(touch hit):/"), ("kit's:x*", "kit\\'s:"), ("lit's:x*", "\"lit's:"),
    ];

    public override Task InitializeAsync() => ServeAsync();

    public override async Task DisposeAsync()
    {
        if (_terminal is not null)
        {
            await _terminal.DisposeAsync();
        }

        await base.DisposeAsync();
    }

    [Fact]
    public async Task Complete_OfLookup_OffersOwners()
    {
        await RegisterAsync("volume:b1");

        (await CompleteAsync("portmap lookup --timeout 30 volume:")).Lines.Should().Equal("volume:b1");
        (await CompleteAsync("portmap wa")).Lines.Should().Equal("watch");
    }

    [Theory]
    [InlineData("portmap lookup -q --timeout 30 ")]
    [InlineData("portmap lookup --json --timeout 30 vol")]
    [InlineData("portmap release --force --timeout 30 ")]
    public async Task Complete_BehindAFlag_OffersOwners(string line)
    {
        await RegisterAsync("volume:b1");

        (await CompleteAsync(line)).Lines.Should().Contain("volume:b1").And.NotContain("True");
    }

    [Theory]
    [InlineData("portmap lookup --timeout soon volume:")]
    [InlineData("portmap lookup --endpoint nowhere volume:")]
    [InlineData("portmap fleet lookup --timeout soon volume:")]
    [InlineData("portmap fleet lookup --endpoints ftp://127.0.0.1 volume:")]
    [InlineData("portmap release --endpoint unix:relative volume:")]
    public async Task Complete_OfALineWithAnOptionThatIsWrong_OffersNothing(string line)
    {
        (await CompleteAsync(line)).Should().BeEquivalentTo(new Outcome(0, [], string.Empty));
    }

    [Fact]
    public async Task Complete_OfAnOwnerThatBreaksALineOrSteersATerminal_LeavesItOut()
    {
        await RegisterAsync("vol-a\nvol-b");
        await RegisterAsync("vol-\e[31mc");
        await RegisterAsync("vol-\u202Ed");
        await RegisterAsync("vol-e");

        (await CompleteAsync("portmap lookup --timeout 30 vol")).Lines.Should().Equal("vol-e");
    }

    [Fact]
    public async Task Complete_OfAnOwnerThatWouldBeAnOption_LeavesItOut()
    {
        await RegisterAsync("--vol");

        (await CompleteAsync("portmap lookup --timeout 30 --v")).Lines.Should().BeEmpty();
    }

    [NeedsFact("tmux", Also = ["bash"])]
    public async Task CompletionBash_OfAWord_CompletesIt()
    {
        await OpenAsync("bash");

        await CompletesAsync(
            ("portmap lookup --timeout 30 vol0:/b", "portmap lookup --timeout 30 vol0:/b1 X"),
            ("portmap lookup --timeout 30 'vol0:/b", "portmap lookup --timeout 30 'vol0:/b1' X"),
            ("portmap lookup --timeout 30 \"vol0:/b", "portmap lookup --timeout 30 \"vol0:/b1\" X"));
    }

    [NeedsFact("tmux", Also = ["zsh"])]
    public async Task CompletionZsh_OfAWord_CompletesIt()
    {
        await OpenAsync("zsh");

        await CompletesAsync();
    }

    [NeedsFact("tmux", Also = ["fish"])]
    public async Task CompletionFish_OfAWord_CompletesIt()
    {
        await OpenAsync("fish");

        await CompletesAsync();
    }

    [NeedsFact("tmux", Also = ["bash"])]
    public Task CompletionBash_OfAnOwnerThatMeansSomethingToAShell_WritesThatOwner() => WritesAsync("bash", [.. s_hostile, .. s_quoted]);

    [NeedsFact("tmux", Also = ["zsh"])]
    public Task CompletionZsh_OfAnOwnerThatMeansSomethingToAShell_WritesThatOwner() => WritesAsync("zsh", s_hostile);

    [NeedsFact("tmux", Also = ["fish"])]
    public Task CompletionFish_OfAnOwnerThatMeansSomethingToAShell_WritesThatOwner() => WritesAsync("fish", s_hostile);

    private Task<Outcome> CompleteAsync(string line) => RunAsync("complete", $"{line.Length}", line);

    // The X is typed behind what the shell has made of the word, and behind the blank that it adds to a whole one.
    private async Task CompletesAsync(params (string Typed, string Completed)[] more)
    {
        await RegisterAsync("vol0:/b1");
        (string, string)[] all =
        [
            ("portmap doc", "portmap doctor X"), ("portmap lookup --timeout 30 vol", "portmap lookup --timeout 30 vol0:/b1 X"), ("portmap nothing", "portmap nothingX"), .. more,
        ];
        foreach ((string typed, string completed) in all)
        {
            await _terminal!.PressAsync(typed);
            await _terminal.PressAsync("Tab");
            await _terminal.PressAsync("X");

            await _terminal.UntilAsync(screen => screen.Contains(completed, StringComparison.Ordinal));
            await _terminal.PressAsync("C-u");
            await UntilReadyAsync();
        }
    }

    // What the shell has written is run: it finds the owner only when it means that owner and nothing else.
    private async Task WritesAsync(string shell, (string Owner, string Typed)[] words)
    {
        await OpenAsync(shell);
        foreach ((string owner, string typed) in words)
        {
            PortEntry entry = await RegisterAsync(owner);

            await _terminal!.PressAsync($"portmap lookup -q --timeout 30 {typed}");
            await _terminal.PressAsync("Tab");
            await _terminal.PressAsync("Enter");

            await _terminal.UntilAsync(screen => screen.Contains($"\n{entry.Port}", StringComparison.Ordinal));
            await UntilReadyAsync();
        }

        File.Exists(Folder["work/hit"]).Should().BeFalse("no owner is a command");
    }

    /// <summary>The shell itself, in a folder with one file, with the script read.</summary>
    private async Task OpenAsync(string shell)
    {
        Directory.CreateDirectory(Folder["bin"]);
        File.CreateSymbolicLink(Folder["bin/portmap"], Programs.ToolPath);
        Directory.CreateDirectory(Folder["work"]);
        await File.WriteAllTextAsync(Folder["work/da"], string.Empty);   // d* is this file to a shell
        _terminal = await Tmux.StartAsync(Folder["tmux"], Endpoint, $"HOME={Folder.FullName}", "LC_ALL=C.UTF-8");
        await _terminal.TypeAsync($"cd {Folder["work"]}; PATH={Folder["bin"]}:$PATH; " + shell switch
        {
            "bash" => "PS1='ready$ ' exec bash --norc",
            "zsh" => "PS1='ready$ ' exec zsh -f",
            _ => "exec fish --no-config -C \"function fish_prompt; echo 'ready$ '; end\"",
        });
        await UntilReadyAsync();
        await _terminal.TypeAsync(shell switch
        {
            "bash" => "eval \"$(portmap completion bash)\"; clear; echo read",
            "zsh" => "autoload -U compinit; compinit -D; eval \"$(portmap completion zsh)\"; clear; echo read",
            _ => "portmap completion fish | source; clear; echo read",
        });
        await _terminal.UntilAsync(screen => screen.TrimStart().StartsWith("read\n", StringComparison.Ordinal));
        await UntilReadyAsync();
    }

    private Task<string> UntilReadyAsync() => _terminal!.UntilAsync(screen => screen.TrimEnd().EndsWith("ready$", StringComparison.Ordinal));
}
