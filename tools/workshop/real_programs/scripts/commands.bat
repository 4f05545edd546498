@echo off
rem A batch of everyday commands for Wine's cmd.exe. Start it in an empty directory.
rem All that it prints and writes depends on this file alone: no dates, no free space of disks.
setlocal enabledelayedexpansion

echo == arithmetic and variables
set /a total=0
for /l %%i in (1,1,3000) do (
  set /a total=total+%%i*3-1
  set item_%%i=item number %%i of the list, running total !total!
)
echo total %total%
echo %item_17%
echo %item_3000%
set item_29

echo == substrings and substitution
set text=The quick brown fox jumps over the lazy dog
for /l %%i in (1,1,400) do call :substitute
echo %word% / %text%

echo == writing files
for /l %%i in (1,1,40) do call :write folder_%%i %%i
dir /b

echo == reading files
set /a lines=0
for /l %%i in (1,1,12) do call :read %%i
echo %lines% lines, the last one: %last%
type folder_7\renamed.txt

echo == subroutines
set /a depth=0
call :descend
echo came back from depth %depth%
for /l %%i in (1,1,200) do call :describe %%i "argument %%i"
echo %described%

echo == moving, deleting, comparing
for /l %%i in (1,1,20) do move folder_%%i\renamed.txt moved_%%i.txt > nul
for %%f in (moved_*.txt) do echo %%~nf has the extension %%~xf
del moved_3.txt
if exist moved_3.txt (echo moved_3.txt is still there) else echo moved_3.txt is gone
rd /s /q folder_40
if "%word%"=="quick brown" echo the words are equal
if /i not "%word%"=="QUICK BROWN" echo the words differ
dir /b folder_21
dir /b
echo == end
exit /b 7

:substitute
set word=%text:~4,11%
set text=%text:quick=swift%
set text=%text:swift=quick%
goto :eof

:write
md %1
echo the first line, which belongs to %1 > %1\lines.txt
for /l %%j in (2,1,60) do echo line %%j of file %2: %item_1234%>> %1\lines.txt
copy %1\lines.txt %1\copy.txt > nul
ren %1\copy.txt renamed.txt
goto :eof

:read
cd folder_%1
for /f "tokens=1,2,3*" %%a in (renamed.txt) do (
  set /a lines=lines+1
  set last=%%a-%%b-%%c-%%d
)
cd ..
goto :eof

:descend
set /a depth=depth+1
if %depth% lss 40 call :descend
goto :eof

:describe
set described=%1 is %~2, %~nx0
goto :eof
