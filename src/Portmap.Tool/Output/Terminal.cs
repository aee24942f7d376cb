using System.Text;
using Spectre.Console;

namespace Portmap.Tool.Output;

/// <summary>Where output goes, and what may be done there.</summary>
internal static class Terminal
{
    private static readonly UTF8Encoding s_utf8 = new(encoderShouldEmitUTF8Identifier: false);

    /// <summary>Standard output is a terminal that understands escape sequences.</summary>
    public static bool IsInteractive => !Console.IsOutputRedirected && !IsDumb;

    /// <summary>NO_COLOR (no-color.org): set to anything, no colours.</summary>
    public static bool WantsColours => string.IsNullOrEmpty(Environment.GetEnvironmentVariable("NO_COLOR"));

    private static bool IsDumb => Environment.GetEnvironmentVariable("TERM") is null or "" or "dumb";

    /// <summary>Plain text, for programs or for lines.</summary>
    public static TextWriter OpenOut() =>
        Console.IsOutputRedirected && !OperatingSystem.IsWindows()
            ? new StreamWriter(new StandardOutput(), s_utf8, bufferSize: 16_384)
            : new StreamWriter(Console.OpenStandardOutput(), s_utf8, bufferSize: 16_384);

    /// <summary>Tables, onto that. A pipe gets neither colours nor a width.</summary>
    public static IAnsiConsole OpenScreen(TextWriter writer)
    {
        bool colours = IsInteractive && WantsColours;
        IAnsiConsole screen = AnsiConsole.Create(new AnsiConsoleSettings
        {
            Ansi = colours ? AnsiSupport.Yes : AnsiSupport.No,
            ColorSystem = colours ? ColorSystemSupport.Standard : ColorSystemSupport.NoColors,
            Interactive = InteractionSupport.No,
            Out = new AnsiConsoleOutput(writer),
            Enrichment = new ProfileEnrichment { UseDefaultEnrichers = false },
        });
        screen.Profile.Width = Console.IsOutputRedirected ? 100_000 : Math.Max(Console.WindowWidth, 40);
        return screen;
    }

    /// <summary>The terminal, to be drawn on; or a text that is brought there later.</summary>
    public static IAnsiConsole OpenCanvas(TextWriter? writer = null) => AnsiConsole.Create(new AnsiConsoleSettings
    {
        Ansi = writer is not null && !WantsColours ? AnsiSupport.No : AnsiSupport.Yes,
        ColorSystem = WantsColours ? ColorSystemSupport.Standard : ColorSystemSupport.NoColors,
        Interactive = InteractionSupport.No,
        Out = new AnsiConsoleOutput(writer ?? Console.Out),
        Enrichment = new ProfileEnrichment { UseDefaultEnrichers = false },
    });

    /// <summary>
    /// Standard error, where progress is shown; null when nobody looks.
    /// </summary>
    public static IAnsiConsole? OpenProgress()
    {
        if (Console.IsErrorRedirected || IsDumb)
        {
            return null;
        }

        return AnsiConsole.Create(new AnsiConsoleSettings
        {
            Ansi = AnsiSupport.Yes,
            ColorSystem = WantsColours ? ColorSystemSupport.Standard : ColorSystemSupport.NoColors,
            Interactive = InteractionSupport.Yes,
            Out = new AnsiConsoleOutput(Console.Error),
            Enrichment = new ProfileEnrichment { UseDefaultEnrichers = false },
        });
    }
}
