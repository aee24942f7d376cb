using System.CommandLine;
using System.Text;
using ManagementDaemon;

// A daemon answers signals itself (the host's console lifetime does), so the parser must not end
// the process for it.
Console.OutputEncoding = new UTF8Encoding(encoderShouldEmitUTF8Identifier: false);
ParseResult arguments = CommandLine.Build().Parse(args, new ParserConfiguration { ResponseFileTokenReplacer = null });   // @name is an address here
if (arguments.Errors.Count > 0)
{
    await Console.Error.WriteLineAsync($"{CommandLine.Name}: {arguments.Errors[0].Message.ReplaceLineEndings(" ")}");
    return ExitCode.BadArguments;
}

return await arguments.InvokeAsync(new InvocationConfiguration { ProcessTerminationTimeout = null });
