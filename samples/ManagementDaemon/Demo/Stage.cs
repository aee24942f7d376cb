using System.Globalization;
using Portmap;
using Spectre.Console;
using Spectre.Console.Rendering;

namespace ManagementDaemon.Demo;

/// <summary>What the audience sees: headings, facts and tables. Coloured on a terminal, plain text
/// anywhere else.</summary>
internal sealed class Stage : IDisposable
{
    /// <summary>How long the audience may be told nothing. Not a limit of the whole play: that
    /// would measure how busy the machine is.</summary>
    public static readonly TimeSpan LongestSilence = TimeSpan.FromSeconds(30);

    /// <summary>A file and a pipe have no width; no line is broken there.</summary>
    private const int PlainWidth = 1_000;

    private static readonly Padding s_indent = new(3, 0, 0, 0);

    private readonly IAnsiConsole _console;
    private readonly TableBorder _border;
    private readonly CancellationTokenSource _silence = new(LongestSilence);
    private int _scenes;

    public Stage()
    {
        bool plain = Console.IsOutputRedirected;
        _console = AnsiConsole.Create(new AnsiConsoleSettings
        {
            Ansi = plain ? AnsiSupport.No : AnsiSupport.Detect,
            ColorSystem = plain ? ColorSystemSupport.NoColors : ColorSystemSupport.Detect,
            Interactive = InteractionSupport.No,
        });
        _border = plain ? TableBorder.Ascii2 : TableBorder.Rounded;
        if (plain)
        {
            _console.Profile.Width = PlainWidth;
        }
    }

    /// <summary>The scene that is on, for the verdict when it fails.</summary>
    public string Scene { get; private set; } = "starting";

    /// <summary>Cancelled when nothing was told for <see cref="LongestSilence"/>: the play
    /// hangs.</summary>
    public CancellationToken Silence => _silence.Token;

    public void Dispose() => _silence.Dispose();

    public void Open(string scene)
    {
        Scene = scene;
        _silence.CancelAfter(LongestSilence);
        _console.WriteLine();
        _console.MarkupLineInterpolated(CultureInfo.InvariantCulture, $"[bold blue]{++_scenes}. {scene}[/]");
    }

    public void Tell(FormattableString fact) => Show(Markup.FromInterpolated(CultureInfo.InvariantCulture, fact));

    public void Verdict(bool good, string text)
    {
        _console.WriteLine();
        _console.MarkupLineInterpolated(CultureInfo.InvariantCulture, good ? (FormattableString)$"[bold green]PASSED[/] {text}" : $"[bold red]FAILED[/] {text}");
    }

    public void Map(IEnumerable<PortEntry> entries)
    {
        Table table = NewTable("port", "state", "owner", "pid", "strategy", "since");
        table.Columns[0].RightAligned();
        table.Columns[3].RightAligned();
        foreach (PortEntry entry in entries.OrderBy(entry => entry.Port))
        {
            Text[] cells =
            [
                Cell(entry.Port.ToString(CultureInfo.InvariantCulture)),
                new(entry.State.ToString(), new Style(Colour(entry.State))),
                Cell(entry.Owner),
                Cell(entry.ProcessId?.ToString(CultureInfo.InvariantCulture) ?? string.Empty),
                Cell(entry.Strategy),
                Cell(entry.Since.ToLocalTime().ToString("HH:mm:ss.fff", CultureInfo.InvariantCulture)),
            ];
            table.AddRow(cells);
        }

        Show(table);
    }

    public void Answers(IEnumerable<(string Owner, int Port, string Answer)> answers)
    {
        Table table = NewTable("asked for", "port looked up", "what answers there");
        table.Columns[1].RightAligned();
        foreach ((string owner, int port, string answer) in answers)
        {
            table.AddRow(Cell(owner), Cell(port.ToString(CultureInfo.InvariantCulture)), Cell(answer));
        }

        Show(table);
    }

    private static Text Cell(string text) => new(text);

    private static Color Colour(PortState state) => state switch
    {
        PortState.Bound => Color.Green,
        PortState.Foreign => Color.Red,
        PortState.Reserved => Color.Yellow,
        _ => Color.Grey,
    };

    private Table NewTable(params string[] columns)
    {
        Table table = new Table().Border(_border);
        foreach (string column in columns)
        {
            table.AddColumn(new TableColumn(new Text(column)) { NoWrap = true });
        }

        return table;
    }

    private void Show(IRenderable what)
    {
        _console.Write(new Padder(what, s_indent));
        _silence.CancelAfter(LongestSilence);
    }
}
